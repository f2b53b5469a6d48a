--- Scripts in a running server, end to end: a device notifies, a row is stored, an operator edits.
local World = require "spec.support.world"
local lfs = require "lfs"

local TEMPERATURE = "/3303/0/5700"
local UNIT = "protocols/temperature.lua"
local PROTOCOL = [[
return protocol {
  object = 3303,
  resources = {
    [5700] = {
      observe     = true,
      measurement = { type = "c8y_Temperature", series = "c8y_Temperature.T", unit = "Cel" },
      alarm       = { type = "c8y_HighTemperature", severity = "MAJOR", text = "Too warm",
                      when = function(v) return v > 60 end },
    },
  },
}
]]

describe("scripts", function()
  local world
  before_each(function() world = World.new() end)
  after_each(function() world:close() end)

  --- Opens a host with these units, { [name] = text }.
  local function open(units, config)
    for name, text in pairs(units) do world:write("scripts/" .. name, text) end
    local all = { scripts = world:path("scripts"), lua_dir = lfs.currentdir() .. "/lua" }
    for key, value in pairs(config or {}) do all[key] = value end
    return world:open(all)
  end

  local function unit(name)
    for _, u in ipairs(world.host:scripts()) do
      if u.name == (name or UNIT) then return u end
    end
  end

  --- Waits for the row that fits; gives it.
  local function row(kind, fits)
    return world:run(function()
      for _, r in ipairs(world:feed { kind = kind, newest = true }) do
        if fits(r) then return r end
      end
    end)
  end

  local function measurement(value) return row("measurement", function(r) return r.value == value end) end

  --- A device that is observed by the protocol.
  local function observed(opts)
    local dev = world:registered(opts)
    world:run(function() return next(dev.observations) end)
    return dev
  end

  --- Edits a unit and waits until the host has looked at it.
  local function edit(text, name)
    local before = unit(name)
    world:write("scripts/" .. (name or UNIT), text)
    return world:run(function()
      local now = unit(name)
      return now and (not before or now.generation ~= before.generation or now.last_error ~= before.last_error) and now
    end)
  end

  it("turn a notification into a measurement", function()
    open { [UNIT] = PROTOCOL }
    local dev = observed()
    measurement(21.5) -- the first value, with the answer to Observe
    dev:set(TEMPERATURE, 22.25)
    local m = measurement(22.25)
    assert.same({ dev.endpoint, "c8y_Temperature", "c8y_Temperature.T", "Cel", TEMPERATURE, "float" },
      { m.endpoint, m.type, m.series, m.unit, m.path, math.type(m.value) })
    assert.is_true(math.abs(m.time_ms // 1000 - os.time()) < 60)
    assert.same({ UNIT, 1, 0 }, { unit().name, unit().generation, unit().errors })
  end)

  it("are acknowledged: a CON notification only when its row is in the store", function()
    open({ [UNIT] = PROTOCOL }, { commit_ms = 300 })
    local dev = observed { trace = true, objects = { [3303] = { [0] = { [5700] = 21.5 } } } }
    measurement(21.5)
    dev.trace = {}
    dev:set(TEMPERATURE, 42.5)
    local function is_acknowledged()
      for _, t in ipairs(dev.trace) do
        if t.what == "in" and #t.bytes == 4 and t.bytes:byte(1) == 0x60 then return true end
      end
    end
    world:run(is_acknowledged)
    local found
    for _, r in ipairs(world:feed { kind = "measurement" }) do found = found or r.value == 42.5 end
    assert.is_true(found)
  end)

  it("observe with attributes, all instances, and again after each registration", function()
    open { [UNIT] = (PROTOCOL:gsub("observe     = true", "observe = { pmin = 0, pmax = 3600 }")) }
    local dev = world:registered { objects = { [3] = { [0] = { [0] = "x" } },
      [3303] = { [0] = { [5700] = 1.5 }, [4] = { [5700] = 2.5 } } } }
    for _ = 1, 3 do
      world:run(function() return world.host:device(dev.endpoint).observations == 2 and dev.observations end)
      measurement(1.5)
      measurement(2.5)
      assert.same({ pmin = "0", pmax = "3600" }, dev.attributes["/3303/4/5700"])
      world:register(dev)
    end
    world:run(function() return world.host:device(dev.endpoint).observations == 2 end)
    dev:set("/3303/4/5700", 77.5)
    measurement(77.5)
  end)

  it("observe what a device gets later", function()
    open { [UNIT] = PROTOCOL }
    local dev = world:registered { objects = { [3] = { [0] = { [0] = "x" } } } }
    dev:set(TEMPERATURE, 5.5)
    dev:update { objects = true }
    measurement(5.5)
  end)

  describe("when they are edited", function()
    it("make the next measurement another one", function()
      open { [UNIT] = PROTOCOL }
      local dev = observed()
      measurement(21.5)
      local now = edit((PROTOCOL:gsub("c8y_Temperature%.T", "Room.Celsius")))
      assert.equal(2, now.generation)
      dev:set(TEMPERATURE, 23.5)
      assert.equal("Room.Celsius", measurement(23.5).series)
      assert.is_truthy(next(dev.observations)) -- it was not observed anew for that
      assert.equal(1, #world:named("device.registered"))
    end)

    it("badly, go on as they were, and say file, line and reason", function()
      open { [UNIT] = PROTOCOL }
      local dev = observed()
      for i, case in ipairs {
        { PROTOCOL:gsub("object = 3303,", "object = = 3303,"), ":2: " },
        { PROTOCOL:gsub("measurement ", "mesurement "), "did you mean" },
        { "return protocol { object = 3303, resources = nonsense }\n", "nonsense" },
        { "while true do end\n", "budget" },
      } do
        local text, reason = case[1], case[#case]
        local now = edit(text)
        assert.equal(1, now.generation)
        assert.truthy(now.last_error:find(reason, 1, true), now.last_error)
        local line = assert(world:logged(reason))
        assert.truthy(line:find("^error"), line)
        assert.truthy(line:find("temperature.lua:%d+:"), line)
        dev:set(TEMPERATURE, 30.0 + i)
        assert.equal("c8y_Temperature.T", measurement(30.0 + i).series)
      end
      local now = edit((PROTOCOL:gsub("c8y_Temperature%.T", "Room.Celsius")))
      assert.equal(2, now.generation)
      assert.is_nil(now.last_error)
    end)

    it("by more files, come and go", function()
      open { [UNIT] = PROTOCOL }
      local dev = observed()
      edit([[return hooks { ["value.received"] = function(dev, path, value)
        dev:event { type = "Seen", text = path .. "=" .. value } end }]], "hooks/seen.lua")
      dev:set(TEMPERATURE, 24.5)
      row("event", function(r) return r.text == TEMPERATURE .. "=24.5" end)
      os.remove(world:path("scripts/hooks/seen.lua"))
      world:run(function() local u = unit("hooks/seen.lua") return not u or u.generation == 0 end)
      dev:set(TEMPERATURE, 25.5)
      measurement(25.5)
      assert.equal(1, #world:feed { kind = "event" })
    end)

    it("are loaded when the host is asked to", function()
      open({ [UNIT] = PROTOCOL }, { watch = false })
      world:write("scripts/" .. UNIT, (PROTOCOL:gsub("60", "61")))
      local report = {}
      assert(world.host:reload(nil, function(file, line, reason, ok) report[#report + 1] = { file, line, reason, ok } end))
      world:run(function() return #report > 0 and report[#report][1] == nil end)
      assert.same({ UNIT, 2 }, { report[1][1], unit().generation })
      assert.is_true(report[#report][4])
      report = {}
      local ok, _, code = world.host:reload("nobody.lua", function(...) report[#report + 1] = { ... } end)
      assert.is_true(code == "ENOTFOUND" or ok and report[1][3] == "no such unit")
      assert.equal(2, unit().generation)
    end)
  end)

  it("raise an alarm, count it up, and clear it when its condition ends", function()
    open { [UNIT] = PROTOCOL }
    local dev = observed()
    local function alarm(cleared)
      local reader = assert(require("moonwire.core").reader(world:path("store.db")))
      local rows = assert(reader:alarms { endpoint = dev.endpoint, cleared = cleared })
      reader:close()
      return rows[1], #rows
    end
    measurement(21.5)
    assert.is_nil(alarm())
    dev:set(TEMPERATURE, 61.5)
    local a = world:run(alarm)
    assert.same({ "c8y_HighTemperature", "MAJOR", "ACTIVE", "Too warm", 1 }, { a.type, a.severity, a.status, a.text, a.count })
    dev:set(TEMPERATURE, 62.5)
    world:run(function() return alarm() and alarm().count == 2 end)
    dev:set(TEMPERATURE, 20.5)
    world:run(function() return not alarm() end)
    local cleared, n = alarm(true)
    assert.same({ "CLEARED", 1 }, { cleared.status, n })
    dev:set(TEMPERATURE, 90.5)
    assert.equal(1, world:run(alarm).count)
  end)

  it("run hooks, which read and put", function()
    open { ["hooks/model.lua"] = [[
return hooks {
  ["device.registered"] = function(dev)
    local model, err = dev:read("/3/0/0")
    dev:event { type = "Model", text = tostring(model) .. " " .. tostring(err) }
    local none, why = dev:read("/9/9/9")
    dev:event { type = "None", text = tostring(none) .. " " .. why.code }
    sleep(0.01)
    dev:event { type = "Slept", text = dev:endpoint() }
  end,
  ["device.updated"] = function(dev) dev:event { type = "Updated", text = tostring(dev:lifetime()) } end,
  ["device.deregistered"] = function(dev) dev:event { type = "Gone", text = tostring(dev:registered()) } end,
}
]] }
    local dev = world:registered()
    row("event", function(r) return r.type == "Slept" and r.text == dev.endpoint end)
    dev:update { lifetime = 777 }
    row("event", function(r) return r.type == "Updated" and r.text == "777" end)
    dev:deregister()
    row("event", function(r) return r.type == "Gone" and r.text == "false" end)
    row("event", function(r) return r.text == "Moonwire nil" end)
    row("event", function(r) return r.text == "nil 4.04" end)
  end)

  describe("that misbehave", function()
    for name, body in pairs {
      ["an endless loop"] = "while true do end",
      ["an endless loop behind pcall"] = "while true do pcall(error, 'x') end",
      ["an endless loop in a coroutine"] = "coroutine.wrap(function() while true do end end)()",
      ["a pattern that never ends"] = "local s = (\"a\"):rep(40) s:find((\"a?\"):rep(40) .. s)",
      ["all memory"] = "local t = {} for i = 1, 1e9 do t[i] = (\"x\"):rep(1e6) .. i end",
      ["an error"] = "error({ not_text = true })",
      ["endless recursion"] = "local function f() return 1 + f() end f()",
    } do
      it("with " .. name .. " are stopped; device, values and others go on", function()
        open { [UNIT] = PROTOCOL,
          ["hooks/bad.lua"] = ("return hooks { [\"value.received\"] = function(dev)\n%s\nend }"):format(body),
          ["hooks/good.lua"] = [[return hooks { ["value.received"] = function(dev, _, v)
            dev:event { type = "Good", text = tostring(v) } end }]] }
        local dev = observed()
        measurement(21.5)
        row("event", function(r) return r.text == "21.5" end)
        dev:set(TEMPERATURE, 26.5)
        measurement(26.5)
        row("event", function(r) return r.text == "26.5" end)
        assert.is_true(unit("hooks/bad.lua").errors >= 2)
        assert.truthy(world:logged("hooks/bad.lua"))
        assert.is_true(world.host:device(dev.endpoint).registered)
        assert.same({ ["/3/0/0"] = "Moonwire" }, world:call("read", dev.endpoint, "/3/0/0"))
      end)
    end

    it("with a `when` that fails store the value all the same", function()
      open { [UNIT] = (PROTOCOL:gsub("return v > 60", "return v.x.y")) }
      observed()
      measurement(21.5)
      assert.is_true(unit().errors >= 1)
      assert.equal(0, #world:feed { kind = "alarm" })
    end)

    it("are not started with, unless that is asked for", function()
      world:write("scripts/" .. UNIT, "return protocol {\n  object = = 1,\n}\n")
      world:write("scripts/hooks/fine.lua", [[return hooks { ["device.registered"] = function() end }]])
      local config = { scripts = world:path("scripts"), lua_dir = lfs.currentdir() .. "/lua" }
      local host, err = world:try_open(config)
      assert.is_nil(host)
      assert.truthy(err:find("temperature.lua:2:", 1, true), err)
      config.lenient = true
      world:open(config)
      assert.equal(1, unit("hooks/fine.lua").generation)
      world:registered()
    end)
  end)

  it("meet values of unknown objects, text and opaque without an error", function()
    open { [UNIT] = PROTOCOL, ["protocols/odd.lua"] = [[
return protocol { object = 31000, resources = {
  [1] = { observe = true, measurement = { type = "A", series = "A.A" } },
  [2] = { observe = true, measurement = { type = "B", series = "B.B" } },
  [3] = { observe = true, measurement = { type = "C", series = "C.C" }, ignore_empty = true },
} }]], ["hooks/all.lua"] = [[return hooks { ["value.received"] = function(_, path, value)
  log.info("%s is a %s", path, type(value)) end }]] }
    local Sim = require "moonwire.sim"
    local dev = world:registered { objects = { [31000] = { [0] = { [1] = " 12.5 ", [2] = Sim.opaque("\0\1\2"), [3] = "" } } } }
    measurement(12.5)
    local a = row("alarm", function(r) return r.type == "c8y_Lwm2mNonNumericValue" end)
    assert.same({ "WARNING", dev.endpoint }, { a.severity, a.endpoint })
    world:run(function() return world:logged("/31000/0/2 is a string") end)
    for _, name in ipairs { "protocols/odd.lua", "hooks/all.lua" } do assert.equal(0, unit(name).errors) end
  end)
end)
