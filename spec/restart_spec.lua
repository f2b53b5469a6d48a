--- What survives the end of the server: a proper one, and one by SIGKILL while devices register.
local World = require "spec.support.world"

local TEMPERATURE = "/3303/0/5700"
local N_DEVICES = 40

-- Observes all that registers, in place of a program that would call host:observe in the child process.
local OBSERVER = [[
return protocol {
  object = 3303,
  resources = {
    [5700] = { observe = {}, measurement = { type = "c8y_Temperature", series = "c8y_Temperature.T", unit = "Cel" } },
  },
}
]]

describe("a restart", function()
  local world
  before_each(function() world = World.new() end)
  after_each(function() world:close() end)

  local function update(dev)
    local code
    assert(dev:update(nil, function(_, c) code = c end))
    world:run(function() return code end)
    return code
  end

  local function count(state)
    local n = 0
    for _, dev in ipairs(world.devices) do
      if dev.state == state then n = n + 1 end
    end
    return n
  end

  local function reopen(config)
    local all = { listen = { "127.0.0.1:" .. world.port } }
    for key, value in pairs(config or {}) do all[key] = value end
    world:close_host()
    world:open(all)
  end

  describe("in one process", function()
    it("keeps registrations, with all that they said", function()
      world:open()
      local dev = world:registered { queue = true, binding = "US", sms = "4917", alternate = "/lwm2m", version = "1.2" }
      local forever = world:registered { lifetime = 0 }
      local gone = world:registered()
      gone:deregister()
      world:run(function() return gone.state == "idle" end)
      local before = world.host:device(dev.endpoint)
      reopen()
      local after = world.host:device(dev.endpoint)
      for _, key in ipairs { "id", "location", "address", "version", "binding", "queue_mode", "lifetime", "registered_ms",
        "links", "registered" } do
        assert.same(before[key], after[key], key)
      end
      assert.is_nil(world.host:device(forever.endpoint).expires_ms)
      assert.is_false(world.host:device(gone.endpoint).registered)
      assert.same({ ["/3/0/0"] = "Moonwire" }, world:call("read", dev.endpoint, "/3/0/0"))
      assert.equal("2.04", update(dev))
      assert.equal("2.04", update(forever))
    end)

    it("keeps observations: the next notification is accepted", function()
      world:open()
      local dev = world:registered()
      world:call("observe", dev.endpoint, TEMPERATURE)
      for i = 1, 3 do -- each restart is one more chance to lose it
        reopen()
        assert.equal(1, world.host:device(dev.endpoint).observations)
        world.events = {}
        dev:set(TEMPERATURE, i + 0.5)
        local event = world:event("value.received")
        assert.same({ "notify", { [TEMPERATURE] = i + 0.5 } }, { event.source, event.values })
        assert.is_truthy(next(dev.observations))
      end
      world:call("cancel_observe", dev.endpoint, TEMPERATURE, "request")
      assert.is_nil(next(dev.observations))
      reopen()
      assert.equal(0, world.host:device(dev.endpoint).observations)
    end)

    it("delivers what devices sent meanwhile, as they send it again", function()
      world:open()
      local dev = world:registered()
      world:call("observe", dev.endpoint, TEMPERATURE)
      dev:fault("drop_out", 1)
      dev:set(TEMPERATURE, 9.5)
      reopen()
      world.events = {}
      assert.same({ [TEMPERATURE] = 9.5 }, world:event("value.received").values)
    end)

    it("keeps a long notification whole", function()
      world:open()
      local dev = world:registered { alternate = "/lwm2m" }
      world:call("observe", dev.endpoint, "/3/0/0")
      reopen()
      world.events = {}
      local text = ("abcdefghij"):rep(400)
      dev:set("/3/0/0", text)
      assert.same({ ["/3/0/0"] = text }, world:event("value.received").values)
    end)

    it("ends registrations whose lifetime has passed meanwhile", function()
      world:open { lifetime_grace = 1 }
      local dev = world:registered { lifetime = 1 }
      reopen { lifetime_grace = 1 }
      assert.equal(dev.endpoint, world:event("device.expired").endpoint)
      reopen { lifetime_grace = 1 }
      assert.is_false(world.host:device(dev.endpoint).registered)
    end)

    it("forgets an observation that no device has confirmed", function()
      world:open()
      local dev = world:registered()
      dev:sleep()
      local code
      world.host:observe(dev.endpoint, TEMPERATURE, function(_, _, c) code = c end)
      world:run(function() return world:stat("coap.requests_sent") == 1 end)
      reopen()
      assert.equal("ECANCELED", code)
      assert.equal(0, world.host:device(dev.endpoint).observations)
      dev:wake()
      assert.same({ [TEMPERATURE] = 21.5 }, world:call("observe", dev.endpoint, TEMPERATURE))
      assert.is_truthy(next(dev.observations))
    end)

    it("closes in the middle of everything", function()
      world:write("observer/protocols/temperature.lua", OBSERVER)
      local config = { commit_ms = 60000, commit_rows = 1000000, scripts = world:path("observer"),
        lua_dir = require("lfs").currentdir() .. "/lua" }
      world:open { scripts = config.scripts, lua_dir = config.lua_dir }
      local dev = world:registered()
      world:event("value.received") -- the first value: the observation stands on both sides
      reopen(config) -- from now on nothing is committed but by the end
      local codes = {}
      local function note(_, _, code) codes[#codes + 1] = code end
      dev:set(TEMPERATURE, 4.5)
      world:event("value.received", 2)
      for i = 1, 3 do world:device { endpoint = "half-" .. i }:register() end
      world:run(function() return world:stat("devices.known") == 4 end)
      dev.answer_mode = "silent"
      assert(world.host:read(dev.endpoint, "/3/0", note))
      assert(world.host:observe(dev.endpoint, "/3/0/1", note))
      reopen { scripts = config.scripts, lua_dir = config.lua_dir }
      assert.same({ "ECANCELED", "ECANCELED" }, codes)
      assert.equal(4.5, world:feed { kind = "measurement", newest = true, limit = 1 }[1].value)
      world:run(function() return count("registered") == 4 end) -- they try again
      assert.equal(4, world:stat("devices.registered"))
    end)

    it("may listen elsewhere: devices are known, and move", function()
      world:open()
      local dev = world:registered()
      world:close_host()
      world:open()
      assert.is_true(world.host:device(dev.endpoint).registered)
    end)
  end)

  describe("of a store", function()
    it("is refused while somebody else has it open", function()
      world:open()
      local host, err = world:try_open()
      assert.is_nil(host)
      assert.truthy(err:find("store.db", 1, true), err)
      assert.truthy(err:find("in use", 1, true), err)
      local status, _, said = world:moonwire("serve", "--store", world:path("store.db"), "--listen", "127.0.0.1:0")
      assert.equal(1, status)
      assert.truthy(said:find("in use", 1, true), said)
      world:registered() -- the first one goes on
    end)

    it("is refused when it is none, or its folder is not there", function()
      world:write("text.db", "this is no database, but long enough to be taken for one at first sight" .. (" "):rep(4096))
      for _, name in ipairs { "text.db", "missing/store.db" } do
        local host, err = world:try_open { store = world:path(name) }
        assert.is_nil(host)
        assert.truthy(err:find(name, 1, true), err)
      end
    end)
  end)

  describe("after SIGKILL", function()
    -- Commits are slow here, so that an answer which comes too early is found out.
    before_each(function() world:write("moonwire.lua", "return { commit_ms = 200 }\n") end)

    local function start_registering(first, last)
      for i = first, last do assert(world:device({ endpoint = "kill-" .. i }):register()) end
    end

    it("loses no device that was told 2.01", function()
      local server = world:serve()
      start_registering(1, N_DEVICES // 2)
      world:run(function() return count("registered") > 0 end)
      local before = count("registered")
      start_registering(N_DEVICES // 2 + 1, N_DEVICES - 5)
      world:run(function() return count("registered") > before end)
      start_registering(N_DEVICES - 4, N_DEVICES)
      world:stop(server, "KILL")
      for _, dev in ipairs(world.devices) do dev:step() end -- answers that had left before
      local told = {}
      for _, dev in ipairs(world.devices) do
        if dev.state == "registered" then told[#told + 1] = dev end
      end
      assert.is_true(#told > before)
      server = world:serve { "--listen", "127.0.0.1:" .. world.port, "--scripts", world:path("no-scripts") }
      for _, dev in ipairs(told) do assert.equal("2.04", update(dev), dev.endpoint) end
      world:run(function() return count("registering") == 0 end) -- the others try again by themselves
      world:stop(server, "KILL")
      local reader = assert(require("moonwire.core").reader(world:path("store.db")))
      local rows = reader:devices()
      reader:close()
      assert.equal(N_DEVICES, #rows)
      for _, row in ipairs(rows) do assert.is_true(row.registered, row.endpoint) end
    end)

    it("goes on with observations, and loses no acknowledged notification", function()
      world:write("observer/protocols/temperature.lua", OBSERVER)
      local options = { "--listen", "127.0.0.1:0", "--scripts", world:path("observer") }
      local server = world:serve(options)
      local dev = world:registered { trace = true }
      local function stored(value)
        for _, row in ipairs(world:feed { kind = "measurement" }) do
          if row.value == value and row.series == "c8y_Temperature.T" then return true end
        end
      end
      world:run(function() return stored(21.5) end) -- the first value, so the observation stands on both sides
      options[2] = "127.0.0.1:" .. world.port
      for i = 1, 3 do
        dev.trace = {}
        dev:set(TEMPERATURE, i + 0.5)
        local _, o = next(dev.observations)
        local ack = (">BBI2"):pack(0x60, 0, o.mid)
        world:run(function()
          for _, t in ipairs(dev.trace) do
            if t.what == "in" and t.bytes == ack then return true end
          end
        end)
        world:stop(server, "KILL")
        assert.is_true(stored(i + 0.5))
        server = world:serve(options)
      end
      assert.is_truthy(next(dev.observations)) -- never reset
      assert.equal("2.04", update(dev))
    end)
  end)
end)
