--- Simulated thermometers for `demo` and `sim`: object 3 says who they are, object 3303 what they measure.
local core = require "moonwire.core"
local Sim = require "moonwire.sim"

local Thermometer = {}

--- Makes a device that registers when it is stepped for the first time.
---@param opts { endpoint: string, server: string, low: number, high: number, period_s: number, phase: number?,
---   lifetime: integer? }  the temperature swings between low and high once per period
---@return table device  with :tick(now_s), which takes a new reading
function Thermometer.new(opts)
  local thermometer = { endpoint = opts.endpoint }

  --- The reading at a time: a slow swing with a little noise, in hundredths.
  function thermometer.reading(now_s)
    local angle = (now_s / opts.period_s + (opts.phase or 0)) * 2 * math.pi
    local middle, swing = (opts.low + opts.high) / 2, (opts.high - opts.low) / 2
    local value = middle + swing * math.sin(angle) + (math.random() - 0.5) * swing * 0.2
    return math.floor(value * 100 + 0.5) / 100
  end

  thermometer.device = assert(Sim.device {
    endpoint = opts.endpoint,
    server = opts.server,
    lifetime = opts.lifetime or 300,
    version = "1.1",
    auto_update = true,
    types = { ["3303/5700"] = "Float" },
    objects = {
      [1] = { [0] = { [0] = 1, [1] = opts.lifetime or 300 } },
      [3] = { [0] = { [0] = "Moonwire", [1] = "thermometer", [2] = opts.endpoint, [3] = "1.0" } },
      [3303] = { [0] = { [5700] = thermometer.reading(core.sim.now_ms() / 1000), [5701] = "Cel" } },
    },
  })
  --- Takes a reading; whoever observes it is notified.
  function thermometer:tick(now_s)
    if self.device.state == "registered" then self.device:set("/3303/0/5700", self.reading(now_s) + 0.0) end
  end

  return thermometer
end

--- Registers all, and takes care that a refused or lost registration is tried again.
---@param thermometers table[]
function Thermometer.register(thermometers)
  for _, t in ipairs(thermometers) do
    local state = t.device.state
    if state == "idle" or state == "failed" or state == "rejected" then t.device:register() end
  end
end

return Thermometer
