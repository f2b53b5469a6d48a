--- Observations that protocols ask for: started, left alone and ended without a message too many.
local World = require "spec.support.world"
local lfs = require "lfs"

local TEMPERATURE = "/3303/0/5700"
local UNIT = "protocols/temperature.lua"
local PROTOCOL = [[
return protocol { object = 3303, resources = {
  [5700] = { observe = %s, measurement = { type = "c8y_Temperature", series = "c8y_Temperature.T" } },
} }
]]
local ATTRIBUTES = "{ pmin = 0, pmax = 3600 }"

describe("auto-observe", function()
  local world
  before_each(function() world = World.new() end)
  after_each(function() world:close() end)

  local function write(observe) world:write("scripts/" .. UNIT, PROTOCOL:format(observe)) end

  --- Opens a host without a watch: a reload comes when it is asked for.
  local function open(config)
    local all = { scripts = world:path("scripts"), lua_dir = lfs.currentdir() .. "/lua", watch = false, log_level = "debug" }
    for key, value in pairs(config or {}) do all[key] = value end
    return world:open(all)
  end

  local function reload(observe)
    write(observe)
    world.lines = {}
    local done
    assert(world.host:reload(nil, function(file, _, reason, ok)
      if not file then done = ok or error(reason) end
    end))
    world:run(function() return done and world:logged("brought in line") end)
  end

  --- The requests that a device got, as "observe /3303/0/5700".
  local function requests(dev)
    local out = {}
    for _, entry in ipairs(dev.log) do
      if entry.what == "read" or entry.what == "attributes" then out[#out + 1] = entry.what .. " " .. entry.path end
    end
    return out
  end

  local function observations(dev) return world.host:device(dev.endpoint).observations end

  --- Waits until a device has so many, and all requests have been answered.
  local function wait_for(dev, n)
    world:run(function()
      local on_device = 0
      for _ in pairs(dev.observations) do on_device = on_device + 1 end
      return on_device == n and observations(dev) == n and world:stat("coap.exchanges") == 0
    end)
    world:settle()
    assert.equal(n, observations(dev))
  end

  local function thermometers(n, extra)
    local objects = { [3] = { [0] = { [0] = "x" } }, [3303] = {} }
    for i = 0, n - 1 do objects[3303][i] = { [5700] = i + 0.5 } end
    for oid, instances in pairs(extra or {}) do objects[oid] = instances end
    return objects
  end

  local function n_measurements() return #world:feed { kind = "measurement", limit = 1000 } end

  local function settled_measurements(n)
    world:run(function() return n_measurements() >= n end)
    world:settle()
    return n_measurements()
  end

  it("starts with a registration, and once more with the next", function()
    write "true"
    open()
    local dev = world:registered { objects = thermometers(2) }
    wait_for(dev, 2)
    assert.equal(2, settled_measurements(2))
    world:register(dev) -- ends its observations
    assert.equal(4, settled_measurements(4))
    wait_for(dev, 2)
  end)

  it("leaves alone what is observed when the device gets one more instance", function()
    write(ATTRIBUTES)
    open()
    local dev = world:registered { objects = thermometers(3) }
    wait_for(dev, 3)
    assert.equal(3, settled_measurements(3))
    dev.log, dev.attributes = {}, {}
    dev:set("/3303/7/5700", 70.5)
    dev:update { objects = true }
    wait_for(dev, 4)
    assert.equal(4, settled_measurements(4))
    assert.same({ "read /3303/7/5700" }, requests(dev))
    assert.same({ ["/3303/7/5700"] = { pmin = "0", pmax = "3600" } }, dev.attributes)
    dev.log, dev.attributes = {}, {}
    dev:update { objects = true }
    world:settle()
    assert.same({}, requests(dev))
    assert.same({}, dev.attributes)
  end)

  it("is added and removed by a reload, on devices that are registered", function()
    write "false"
    open()
    local one, two = world:registered(), world:registered { objects = thermometers(2) }
    world:settle()
    assert.equal(0, observations(one) + observations(two))
    reload "true"
    wait_for(one, 1)
    wait_for(two, 2)
    assert.equal(3, settled_measurements(3))
    one.log, two.log = {}, {}
    reload(ATTRIBUTES) -- new attributes: they are written, and nothing is read
    world:run(function() return one.attributes[TEMPERATURE] and two.attributes["/3303/1/5700"] end)
    wait_for(two, 2)
    assert.same({}, requests(one))
    assert.same({}, requests(two))
    assert.equal(3, n_measurements())
    reload "false"
    wait_for(one, 0)
    wait_for(two, 0)
    two:set("/3303/1/5700", 99.5)
    world:settle()
    assert.equal(3, n_measurements())
  end)

  it("creates after a restart what is missing, and leaves the rest alone", function()
    write "true"
    open()
    local dev, other = world:registered { objects = thermometers(3) }, world:registered()
    wait_for(dev, 3)
    wait_for(other, 1)
    assert.equal(4, settled_measurements(4))
    assert(world:call("cancel_observe", dev.endpoint, "/3303/1/5700", "request"))
    wait_for(dev, 2)
    world:close_host()
    dev.log, other.log, world.lines = {}, {}, {}
    open { listen = { "127.0.0.1:" .. world.port } }
    world:run(function() return world:logged("brought in line") end)
    wait_for(dev, 3)
    assert.same({ "read /3303/1/5700" }, requests(dev))
    assert.same({}, requests(other))
    assert.equal(5, settled_measurements(5))
    other:set(TEMPERATURE, 33.5)
    assert.equal(6, settled_measurements(6))
  end)

  it("gets every instance of a device that has as many as it may", function()
    write(ATTRIBUTES)
    open()
    local dev = world:registered { objects = thermometers(128) }
    wait_for(dev, 128)
    for i = 0, 127 do
      assert.same({ pmin = "0", pmax = "3600" }, dev.attributes[("/3303/%d/5700"):format(i)])
    end
    assert.equal(128, settled_measurements(128))
    assert.is_nil(world:logged("warn"))
  end)

  it("says once what a device has too much of", function()
    write "true"
    open { max_observations_per_device = 10 }
    local dev = world:registered { objects = thermometers(15) }
    wait_for(dev, 10)
    local line = world:run(function() return world:logged("auto-observe: 5 of 15 failed") end)
    assert.equal(("warn OBS ep=%s auto-observe: 5 of 15 failed, the first: /3303/"):format(dev.endpoint),
      line:match("^.-first: /3303/"))
    assert.truthy(line:find("limit reached", 1, true), line)
  end)

  it("does not complain about a resource that a device does not have", function()
    write "true"
    open()
    local dev = world:registered { objects = { [3] = { [0] = { [0] = "x" } },
      [3303] = { [0] = { [5700] = 1.5 }, [1] = { [5701] = "Cel" } } } }
    wait_for(dev, 1)
    local line = world:run(function() return world:logged("/3303/1/5700 4.04") end)
    assert.equal(("debug OBS ep=%s auto-observe: /3303/1/5700 4.04"):format(dev.endpoint), line)
    assert.is_nil(world:logged("warn"))
  end)
end)
