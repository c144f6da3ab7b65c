# Parks the jobs that may not run here (worker_jobs.py) in a list of their site, outside the queues, and takes jobs from
# there as soon as their site may run here. Prepended to worker.py, after worker_jobs.py.
#
# Each step is one script, so a job is in exactly one list whenever a process is killed. A worker of any installation
# takes the jobs of its own sites, so no job goes back and forth between two installations. Only workers of this program
# know these lists: while another worker listens to the queue, nothing is parked, and roles/worker/parked.rs puts the
# parked jobs back.
import sys

from redis.exceptions import ResponseError
from rq.exceptions import NoSuchJobError
from rq.utils import as_text

KNOWS_PARKED = "cauldron_knows_parked"  # a field of the worker's own record, read by roles/worker/parked.rs
LOOK_INTERVAL_S = 5  # between two looks at the lists while there are none
LOOK_AGAIN_INTERVAL_S = 1  # while there are some
BATCH = 1000  # the number of jobs that one script moves

# Moves a job that a worker has taken, and the jobs of its site in the first 10,000 of the queue, to the site's list.
PARK = """
local queue, intermediate, set, list, worker = unpack(KEYS)
local member, site, taken, limit = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local function enqueued_at(id) return redis.call('HGET', 'rq:job:' .. id, 'enqueued_at') or '' end
if taken ~= '' then
  -- Another worker may have parked younger jobs since this one was taken.
  local time, low, high = enqueued_at(taken), 0, redis.call('LLEN', list)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if enqueued_at(redis.call('LINDEX', list, middle)) <= time then low = middle + 1 else high = middle end
  end
  local younger = redis.call('LINDEX', list, low)
  if younger then redis.call('LINSERT', list, 'BEFORE', younger, taken) else redis.call('RPUSH', list, taken) end
  redis.call('LREM', intermediate, 1, taken)
  redis.call('HDEL', worker, 'cauldron_begins')
end
local moved = 0
for index, id in ipairs(redis.call('LRANGE', queue, 0, 9999)) do
  if moved == limit then break end
  local prefix = string.sub(id, 1, #site + 2)
  if prefix == site .. '::' or prefix == site .. '||' then
    redis.call('LSET', queue, index - 1, '')
    redis.call('RPUSH', list, id)
    moved = moved + 1
  end
end
if moved > 0 then redis.call('LREM', queue, moved, '') end
redis.call('SADD', set, member)
return moved
"""

# Takes the oldest job of a list that still waits. It leaves out jobs that were cancelled or deleted there.
TAKE = """
local set, list, intermediate = unpack(KEYS)
local id
repeat id = redis.call('LPOP', list)
until not id or redis.call('HGET', 'rq:job:' .. id, 'status') == 'queued'
if id and intermediate then redis.call('RPUSH', intermediate, id) end
if redis.call('EXISTS', list) == 0 then redis.call('SREM', set, ARGV[1]) end
return id
"""


class Parking:
    is_known = False  # the login may run scripts, and this worker's record says that it knows the lists
    look_interval_s = LOOK_INTERVAL_S


def announce(worker):
    """Records that this worker knows the lists."""
    try:
        worker.connection.eval("return 1", 0)
        worker.connection.hset(worker.key, KNOWS_PARKED, 1)
        Parking.is_known = True
    except ResponseError as error:
        print(f"jobs of other installations stay in the queues: {error}", file=sys.stderr, flush=True)


def keys_of(queue):
    """The key of the set of `<site>:<queue>` (BenchQueues::parked), and the queue's name without the bench id."""
    bench_id, _, name = queue.name.rpartition(":")
    return f"cauldron:parked:{bench_id}", name


def may_park(worker, queue):
    """True if every live worker of the queue knows the lists."""
    if not Parking.is_known:
        return False
    keys = worker.connection.smembers(f"rq:workers:{queue.name}")
    with worker.connection.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hmget(key, "birth", KNOWS_PARKED)
        return all(knows or not birth for birth, knows in pipe.execute())


def park(worker, job, queue, site):
    """Parks the job and all later jobs of its site in this queue."""
    lists, name = keys_of(queue)
    member, taken, total = f"{site}:{name}", job.id, 0
    keys = [queue.key, queue.intermediate_queue_key, lists, f"{lists}:{member}", worker.key]
    while (moved := worker.connection.eval(PARK, len(keys), *keys, member, site, taken, BATCH)) == BATCH:
        taken, total = "", total + moved
    worker.connection.hincrby(worker.key, FOREIGN_JOBS, total + moved)
    Stop.has_job = False
    wake_idle_workers(worker)


def wake_idle_workers(worker):
    """Makes idle workers look at the lists: one of them may be of the installation that has the site."""
    try:
        for client in worker.connection.client_list():
            if client.get("name", "").startswith("cauldron-worker-") and "b" in client.get("flags", ""):
                worker.connection.client_unblock(int(client["id"]))
    except ResponseError:
        pass  # They look after LOOK_INTERVAL_S.


def take_parked(worker, queues):
    """The oldest parked job that may run here now, as RQ hands over one. None if there is none, or if RQ is to take a
    job of a queue with higher priority."""
    lists, _ = keys_of(queues[0])
    members = sorted(map(as_text, worker.connection.smembers(lists))) if Parking.is_known else []
    Parking.look_interval_s = LOOK_AGAIN_INTERVAL_S if members else LOOK_INTERVAL_S
    for queue in queues if members else []:
        for member in members:
            site, _, name = member.partition(":")
            if name != keys_of(queue)[1] or not has_site(site):
                continue
            keys = [lists, f"{lists}:{member}"] + [queue.intermediate_queue_key] * (len(queues) == 1)
            while job_id := worker.connection.eval(TAKE, len(keys), *keys, member):
                Stop.uses_intermediate = len(queues) == 1
                try:
                    connection, serializer = worker.connection, worker.serializer
                    return worker.job_class.fetch(as_text(job_id), connection=connection, serializer=serializer), queue
                except NoSuchJobError:
                    continue  # deleted at this moment
        if worker.connection.llen(queue.key):
            return None
    return None
