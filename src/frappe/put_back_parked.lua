-- Moves up to ARGV[2] jobs from the end of a list of parked jobs to the front of their queue, which keeps their order.
-- Jobs that were cancelled or deleted in the list are left out. KEYS: the set of lists, the list, the queue. ARGV[1]: the
-- list's name in the set. Returns the number of jobs that left the list.
local set, list, queue = unpack(KEYS)
local limit, left = tonumber(ARGV[2]), 0
while left < limit do
  local id = redis.call('RPOP', list)
  if not id then
    break
  end
  if redis.call('HGET', 'rq:job:' .. id, 'status') == 'queued' then
    redis.call('LPUSH', queue, id)
  end
  left = left + 1
end
if redis.call('EXISTS', list) == 0 then
  redis.call('SREM', set, ARGV[1])
end
return left
