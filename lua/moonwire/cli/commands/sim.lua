--- `moonwire sim`: simulated thermometers against any LwM2M server.
local Options = {
  { name = "server", value = "URL", help = "where they register", default = "coap://127.0.0.1:5783" },
  { name = "devices", value = "N", type = "integer", help = "how many, 1 to 150", default = "3" },
  { name = "endpoint", value = "NAME", help = "endpoints are NAME-1, NAME-2, ...", default = "sim" },
  { name = "period", value = "SECONDS", type = "integer", help = "a reading so often", default = "5" },
  { name = "lifetime", value = "SECONDS", type = "integer", help = "of the registrations", default = "300" },
  { name = "seconds", value = "N", type = "integer", help = "end after this time; 0 = at Ctrl-C", default = "0" },
}

local MAX_DEVICES = 150 -- each needs six descriptors, and 1024 is a common limit
local MAX_WAIT_MS = 500

local function make(options)
  local Thermometer = require "moonwire.cli.thermometer"
  local list, n = {}, options.devices or 3
  if n < 1 or n > MAX_DEVICES then return nil, ("--devices must be 1 to %d"):format(MAX_DEVICES) end
  if options.period == 0 then return nil, "--period must be 1 s or more" end
  local server = options.server or "coap://127.0.0.1:5783"
  if server:match("^coaps:") then return nil, "there is no DTLS yet: use coap://, not coaps://" end
  if not server:match("^coap://[%w%.%-]+:?%d*$") then
    return nil, ("--server must look like coap://127.0.0.1:5783, not %q"):format(server)
  end
  for i = 1, n do
    list[i] = Thermometer.new {
      endpoint = ("%s-%d"):format(options.endpoint or "sim", i),
      server = server,
      low = 15,
      high = i % 3 == 0 and 66 or 25, -- every third one gets too warm now and then
      period_s = 300,
      phase = i / n,
      lifetime = options.lifetime,
    }
  end
  return list
end

local function say_changes(thermometers, said)
  for _, t in ipairs(thermometers) do
    local state = t.device.state
    if said[t] ~= state then
      said[t] = state
      print(("%s %s %s"):format(os.date("%H:%M:%S"), t.endpoint, state))
    end
  end
end

local function wait(thermometers, limit_ms)
  local Sim = require "moonwire.sim"
  local fds, ms = {}, limit_ms
  for i, t in ipairs(thermometers) do
    fds[i] = t.device:fd()
    local own = t.device:timeout_ms()
    if own >= 0 then ms = math.min(ms, own) end
  end
  Sim.poll(fds, ms)
end

local function run(options, app)
  local core = require "moonwire.core"
  local ok, thermometers, err = pcall(make, options)
  if not ok then return nil, thermometers end
  if not thermometers then return nil, err end
  local Thermometer = require "moonwire.cli.thermometer"
  local start, said = core.sim.now_ms(), {}
  local period_ms, next_tick, next_try = (options.period or 5) * 1000, start, start
  repeat
    local now = core.sim.now_ms()
    if now >= next_try then Thermometer.register(thermometers); next_try = now + 5000 end
    if now >= next_tick then
      for _, t in ipairs(thermometers) do t:tick(now / 1000) end
      next_tick = now + period_ms
    end
    for _, t in ipairs(thermometers) do t.device:step() end
    say_changes(thermometers, said)
    wait(thermometers, math.max(0, math.min(MAX_WAIT_MS, next_tick - now)))
    local over = (options.seconds or 0) > 0 and now - start >= options.seconds * 1000
  until over or app.pending_signal()
  for _, t in ipairs(thermometers) do t.device:deregister() end
  local deadline = core.sim.now_ms() + 1000
  repeat
    local left = 0
    for _, t in ipairs(thermometers) do
      t.device:step()
      if t.device.state == "deregistering" then left = left + 1 end
    end
    if left > 0 then wait(thermometers, 100) end
  until left == 0 or core.sim.now_ms() > deadline
  return true
end

return {
  name = "sim",
  usage = "[--server URL] [--devices N] [options]",
  summary = "Run simulated thermometers against a server",
  about = "They register, answer Reads, notify what is observed, and de-register at the end.",
  options = Options,
  run = run,
}
