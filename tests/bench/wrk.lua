-- Sends requests that were signed beforehand, each once: wrk -s wrk.lua URL -- FILE BYTES_OF_EACH
local requests, sent = {}, 0

function init(args)
  local file = assert(io.open(args[1], 'rb'))
  while true do
    local request = file:read(tonumber(args[2]))
    if not request then break end
    requests[#requests + 1] = request
  end
  file:close()
end

function request()
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

function done(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('{"requests": %d, "seconds": %f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, failed))
end
