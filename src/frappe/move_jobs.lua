-- Moves jobs of our own sites from a queue or a registry of a former bench id to the one of another id, in order: to
-- the end of a queue, with its score to a registry. Jobs of other sites stay. A job whose record is gone is left out.
-- KEYS: the source, the target, the set of RQ's queues. ARGV: the name of the target's queue in RQ, the position of the
-- first job to read, the number of jobs to read, our sites. Returns how many jobs were read and how many moved.
local source, target, queues = unpack(KEYS)
local origin, from, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local is_queue = redis.call('TYPE', source).ok == 'list'
local sites = {}
for index = 4, #ARGV do
  sites[ARGV[index]] = true
end

-- The site in an id ends before the first `::` or `||`; an id without one is not Frappe's, and anybody runs its job.
local function is_ours(id)
  local v15, v16 = string.find(id, '::', 1, true), string.find(id, '||', 1, true)
  local stop = math.min(v15 or math.huge, v16 or math.huge)
  return stop == math.huge or sites[string.sub(id, 1, stop - 1)] == true
end

local ids = redis.call(is_queue and 'LRANGE' or 'ZRANGE', source, from, from + limit - 1)
local moved = 0
for index, id in ipairs(ids) do
  if is_ours(id) then
    local exists = redis.call('EXISTS', 'rq:job:' .. id) == 1
    if exists then
      redis.call('HSET', 'rq:job:' .. id, 'origin', origin)
    end
    if is_queue then
      redis.call('LSET', source, from + index - 1, '')
      if exists then
        redis.call('RPUSH', target, id)
      end
    else
      if exists then
        redis.call('ZADD', target, redis.call('ZSCORE', source, id), id)
      end
      redis.call('ZREM', source, id)
    end
    moved = moved + 1
  end
end
if is_queue and moved > 0 then
  redis.call('LREM', source, moved, '')
  redis.call('SADD', queues, target)
end
return { #ids, moved }
