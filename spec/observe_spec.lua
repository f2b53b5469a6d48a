--- Read, Observe and notifications, in every format a simulated device speaks, and on a network that loses datagrams
--- (LwM2M Core, "Read" and "Information Reporting"; RFC 7641, RFC 7959).
local World = require "spec.support.world"
local Sim = require "moonwire.sim"
local Coap = Sim.coap

local TEMPERATURE = "/3303/0/5700"

describe("reading and observing", function()
  local world
  before_each(function() world = World.new() end)
  after_each(function() world:close() end)

  --- A host and a device; more options of the device.
  local function start(opts, config)
    world:open(config)
    return world:registered(opts)
  end

  local function observed(opts, config)
    local dev = start(opts, config)
    assert.same({ [TEMPERATURE] = 21.5 }, world:call("observe", dev.endpoint, TEMPERATURE))
    return dev
  end

  --- Values of all notifications so far.
  local function notified()
    local out = {}
    for _, event in ipairs(world:named("value.received")) do
      if event.source == "notify" then out[#out + 1] = event end
    end
    return out
  end

  local function wait_for(n)
    world:run(function() return #notified() >= n end)
    return notified()[n]
  end

  local function noted(dev, what)
    local n = 0
    for _, entry in ipairs(dev.log) do
      if entry.what == what then n = n + 1 end
    end
    return n
  end

  local RICH = {
    [1] = { [0] = { [0] = 101 } },
    [3] = { [0] = { [0] = "Moonwire", [6] = { [0] = 1, [3] = 5 }, [9] = 87, [13] = Sim.time(1700000000) } },
    [3303] = {
      [0] = { [5700] = 21.5, [5701] = "Cel", [5601] = -3.25 },
      [1] = { [5700] = 1e-7 },
    },
    [31000] = { [0] = { [1] = "word", [2] = -7, [3] = 2.5, [4] = true, [5] = Sim.opaque("\0\255") } },
  }

  describe("reads", function()
    for _, variant in ipairs {
      { "SenML CBOR", { version = "1.1", formats = { 0, 42, 112 } } },
      { "TLV", { version = "1.0", formats = { 0, 42, 11542 } } },
      { "TLV with 1.1", { version = "1.1", formats = { 0, 42, 11542 } } },
      { "TLV that is found out by 4.06", { version = "1.1", formats = { 0, 11542 }, ct = false } },
    } do
      local name, opts = table.unpack(variant)
      it("object, instance, resource and resource instance in " .. name, function()
        opts.objects = RICH
        local dev = start(opts)
        assert.same({ [TEMPERATURE] = 21.5, ["/3303/0/5701"] = "Cel", ["/3303/0/5601"] = -3.25, ["/3303/1/5700"] = 1e-7 },
          world:call("read", dev.endpoint, "/3303"))
        assert.same({ [TEMPERATURE] = 21.5, ["/3303/0/5701"] = "Cel", ["/3303/0/5601"] = -3.25 },
          world:call("read", dev.endpoint, "/3303/0"))
        assert.same({ [TEMPERATURE] = 21.5 }, world:call("read", dev.endpoint, TEMPERATURE))
        assert.same({ ["/3/0/0"] = "Moonwire" }, world:call("read", dev.endpoint, "/3/0/0"))
        assert.same({ ["/3/0/6/0"] = 1, ["/3/0/6/3"] = 5 }, world:call("read", dev.endpoint, "/3/0/6"))
        assert.same({ ["/3/0/13"] = 1700000000 }, world:call("read", dev.endpoint, "/3/0/13"))
        local values, _, code = world:call("read", dev.endpoint, "/3/0/6/3")
        if opts.version == "1.0" then
          assert.equal("EPATH", code)
        else
          assert.same({ ["/3/0/6/3"] = 5 }, values)
        end
      end)
    end

    it("resources as text and as opaque bytes", function()
      local dev = start { formats = { 0, 42 }, ct = "", objects = {
        [3] = { [0] = { [0] = "Küche", [9] = 87, [13] = Sim.time(1700000000) } },
        [5] = { [0] = { [0] = Sim.opaque("\1\0\255") } },
        [3303] = { [0] = { [5700] = 21.5 } },
      } }
      assert.same({ ["/3/0/0"] = "Küche" }, world:call("read", dev.endpoint, "/3/0/0"))
      assert.same({ ["/3/0/9"] = 87 }, world:call("read", dev.endpoint, "/3/0/9"))
      assert.same({ ["/3/0/13"] = 1700000000 }, world:call("read", dev.endpoint, "/3/0/13"))
      assert.same({ [TEMPERATURE] = 21.5 }, world:call("read", dev.endpoint, TEMPERATURE))
      assert.same({ ["/5/0/0"] = "\1\0\255" }, world:call("read", dev.endpoint, "/5/0/0"))
    end)

    it("objects that nobody has defined: types of the payload, or raw bytes", function()
      local dev = start { objects = RICH, formats = { 0, 42, 112 } }
      assert.same({ ["/31000/0/1"] = "word", ["/31000/0/2"] = -7, ["/31000/0/3"] = 2.5, ["/31000/0/4"] = true,
        ["/31000/0/5"] = "\0\255" }, world:call("read", dev.endpoint, "/31000/0"))
      local old = world:registered { objects = RICH, version = "1.0", formats = { 0, 42, 11542 } }
      local values = world:call("read", old.endpoint, "/31000/0")
      assert.equal("word", values["/31000/0/1"])
      assert.equal("\xf9", values["/31000/0/2"]) -- TLV does not say what it is
      assert.equal("\0\255", values["/31000/0/5"])
    end)

    it("64-bit integers without losing a digit", function()
      local big = math.mininteger + 1
      local dev = start { objects = { [31000] = { [0] = { [1] = big, [2] = math.maxinteger } } }, formats = { 112 } }
      assert.same({ ["/31000/0/1"] = big, ["/31000/0/2"] = math.maxinteger }, world:call("read", dev.endpoint, "/31000/0"))
    end)

    it("what fails, with the device's own code and words", function()
      local dev = start { on = { read = function(_, path)
        if path == "/3/0/1" then return { code = "5.03", payload = "busy" } end
      end } }
      local _, message, code = world:call("read", dev.endpoint, "/3/0/1")
      assert.equal("5.03", code)
      assert.truthy(message:find("busy", 1, true))
      _, _, code = world:call("read", dev.endpoint, "/9/9/9")
      assert.equal("4.04", code)
      for path, want in pairs { ["/"] = "EPATH", ["/0"] = "EPATH", ["/21/0"] = "EPATH" } do
        _, _, code = world:call("read", dev.endpoint, path)
        assert.equal(want, code, path)
      end
      _, _, code = world:call("read", "nobody", "/3")
      assert.equal("ENOTFOUND", code)
      assert.has_error(function() world.host:read(dev.endpoint, "no path", print) end)
    end)

    it("a payload that is none, and says so", function()
      local dev = start { objects = { [3303] = { [0] = { [5700] = Sim.raw("\255\255\255", 112) } } } }
      local values, message, code = world:call("read", dev.endpoint, TEMPERATURE)
      assert.is_nil(values)
      assert.equal("EFORMAT", code)
      assert.is_true(#message > 10)
      assert.equal(0, #world:named("value.received"))
      assert.equal(1, world:stat("lwm2m.undecodable"))
    end)

    it("a long answer in blocks", function()
      local text = ("0123456789"):rep(2000)
      local dev = start { objects = { [3] = { [0] = { [0] = text } } } }
      assert.equal(text, world:call("read", dev.endpoint, "/3/0/0")["/3/0/0"])
    end)

    it("by separate answers", function()
      local dev = start { answer_mode = "separate" }
      assert.same({ [TEMPERATURE] = 21.5 }, world:call("read", dev.endpoint, TEMPERATURE))
      dev:fault("drop_in", 1) -- our ACK of its answer, perhaps: it sends it again
      assert.same({ ["/3/0/0"] = "Moonwire" }, world:call("read", dev.endpoint, "/3/0/0"))
    end)

    it("through lost requests and lost answers, once", function()
      local dev = start(nil, { ack_timeout_ms = 100 })
      dev:fault("drop_request", 2)
      assert.same({ [TEMPERATURE] = 21.5 }, world:call("read", dev.endpoint, TEMPERATURE))
      assert.is_true(world:stat("coap.retransmissions") >= 2)
      dev:fault("drop_out", 1)
      assert.same({ [TEMPERATURE] = 21.5 }, world:call("read", dev.endpoint, TEMPERATURE))
      dev:fault("twice_out", 2)
      assert.same({ [TEMPERATURE] = 21.5 }, world:call("read", dev.endpoint, TEMPERATURE))
      world:settle()
      assert.equal(3, #world:named("value.received"))
    end)

    it("nothing from a silent device, but a time-out", function()
      local dev = start(nil, { ack_timeout_ms = 20 })
      dev:sleep()
      local values, message, code = world:call("read", dev.endpoint, TEMPERATURE)
      assert.same({ nil, "ETIMEOUT" }, { values, code })
      assert.truthy(message)
      assert.equal(1, world:stat("coap.timeouts"))
      assert.is_true(world.host:device(dev.endpoint).registered)
      assert.equal(0, world:stat("coap.exchanges"))
    end)

    it("until they are cancelled, also from a listener of their own values", function()
      local dev = start()
      local got = {}
      local id = world.host:read(dev.endpoint, "/3/0", function(_, _, code) got[#got + 1] = code end)
      assert.is_true(world.host:cancel(id))
      assert.same({ "ECANCELED" }, got)
      local _, _, code = world.host:cancel(id)
      assert.equal("ENOTFOUND", code)
      local n = 0
      id = world.host:read(dev.endpoint, TEMPERATURE, function() n = n + 1 end)
      world.host:on("value.received", function() world.host:cancel(id) end)
      world:run(function() return n > 0 end)
      world:settle()
      assert.equal(1, n)
    end)

    it("are cancelled by a new registration and by the host's end", function()
      local dev = start(nil, { ack_timeout_ms = 5000 })
      local codes = {}
      local function note(_, _, code) codes[#codes + 1] = code end
      dev.answer_mode = "silent"
      for _ = 1, 5 do assert(world.host:read(dev.endpoint, "/3/0", note)) end
      world:register(dev)
      assert.same({ "ECANCELED", "ECANCELED", "ECANCELED", "ECANCELED", "ECANCELED" }, codes)
      assert(world.host:read(dev.endpoint, "/3/0", note))
      world:close_host()
      assert.equal(6, #codes)
    end)
  end)

  describe("observes", function()
    for _, kind in ipairs { "con", "non" } do
      it("and gets notifications as " .. kind:upper(), function()
        local dev = observed { notify = kind }
        assert.equal(1, world.host:device(dev.endpoint).observations)
        for i = 1, 5 do
          dev:set(TEMPERATURE, i + 0.25)
          local event = wait_for(i)
          assert.same({ [TEMPERATURE] = i + 0.25 }, event.values)
          assert.same({ TEMPERATURE, dev.endpoint }, { event.path, event.endpoint })
        end
        assert.equal("observe", world:named("value.received")[1].source)
      end)
    end

    it("instances and objects, and things that come into being", function()
      local dev = start()
      assert.same({ [TEMPERATURE] = 21.5, ["/3303/0/5701"] = "Cel" }, world:call("observe", dev.endpoint, "/3303"))
      dev:set("/3303/7/5700", -1.5)
      assert.same({ [TEMPERATURE] = 21.5, ["/3303/0/5701"] = "Cel", ["/3303/7/5700"] = -1.5 }, wait_for(1).values)
    end)

    it("each path once: again is a read", function()
      local dev = observed()
      assert.same({ [TEMPERATURE] = 21.5 }, world:call("observe", dev.endpoint, TEMPERATURE))
      assert.equal(1, noted(dev, "observe"))
      assert.equal(1, world:stat("coap.observations"))
    end)

    it("no more than allowed", function()
      local dev = observed(nil, { max_observations_per_device = 1 })
      local _, message, code = world:call("observe", dev.endpoint, "/3/0")
      assert.equal("ELIMIT", code)
      assert.truthy(message:find(dev.endpoint, 1, true))
    end)

    it("not what is not there, and keeps nothing of it", function()
      local dev = start()
      local _, _, code = world:call("observe", dev.endpoint, "/9/0/0")
      assert.equal("4.04", code)
      assert.equal(0, world.host:device(dev.endpoint).observations)
      assert.equal(0, world:stat("coap.observations"))
    end)

    it("not a device that answers without the option", function()
      local dev = start { on = { request = function() return { code = "2.05", format = 0, payload = "21.5" } end } }
      local _, _, code = world:call("observe", dev.endpoint, TEMPERATURE)
      assert.equal("EUNSUPPORTED", code)
      assert.equal(0, world.host:device(dev.endpoint).observations)
    end)

    it("until it asks for the end", function()
      local dev = observed()
      world:call("cancel_observe", dev.endpoint, TEMPERATURE, "request")
      assert.equal(1, noted(dev, "cancel"))
      assert.is_nil(next(dev.observations))
      assert.equal(0, world:stat("coap.observations"))
      local _, _, code = world:call("cancel_observe", dev.endpoint, TEMPERATURE, nil)
      assert.equal("ENOTFOUND", code)
    end)

    for _, kind in ipairs { "con", "non" } do
      it(("until it resets the next notification (%s)"):format(kind:upper()), function()
        local dev = observed { notify = kind }
        world:call("cancel_observe", dev.endpoint, TEMPERATURE, "reset")
        dev:set(TEMPERATURE, 30.5)
        world:run(function() return not next(dev.observations) end)
        assert.equal(0, #notified())
        assert.equal(0, noted(dev, "cancel"))
      end)
    end

    it("with attributes", function()
      local dev = start()
      assert.truthy(world:call("write_attributes", dev.endpoint, TEMPERATURE, "pmin=1&pmax=60"))
      assert.same({ pmin = "1", pmax = "60" }, dev.attributes[TEMPERATURE])
      local _, _, code = world:call("write_attributes", dev.endpoint, "/9/0", "pmin=1")
      assert.equal("4.04", code)
    end)

    it("until the device starts anew", function()
      local dev = observed()
      world:register(dev)
      assert.equal(0, world.host:device(dev.endpoint).observations)
      assert.equal(0, world:stat("coap.observations"))
      assert.same({ [TEMPERATURE] = 21.5 }, world:call("observe", dev.endpoint, TEMPERATURE))
      dev:set(TEMPERATURE, 3.5)
      assert.same({ [TEMPERATURE] = 3.5 }, wait_for(1).values)
    end)

    it("until the device leaves, and resets what it sends then", function()
      local dev = observed()
      local old = next(dev.observations)
      dev:deregister()
      world:event("device.deregistered")
      dev:send_raw(Coap.build { type = "CON", code = "2.05", mid = 9, token = old, observe = 99, payload = "1" })
      world:run(function() return world:stat("coap.unknown_tokens") > 0 end)
      assert.equal(0, #notified())
    end)

    it("until the device says that it is over", function()
      local dev = observed()
      dev:set(TEMPERATURE, nil)
      world:run(function() return world.host:device(dev.endpoint).observations == 0 end)
      world:settle()
      assert.equal(0, #notified())
      assert.truthy(world:logged("ended by the device with 4.04"))
    end)

    it("through loss: each notification once, in order", function()
      local dev = observed()
      dev:fault("drop_out", 1)
      dev:set(TEMPERATURE, 1.5)
      wait_for(1)
      dev:fault("drop_in", 1) -- our ACK
      dev:set(TEMPERATURE, 2.5)
      wait_for(2)
      world:run(function() return world:stat("coap.duplicates") > 0 end)
      dev:fault("twice_out", 1)
      dev:set(TEMPERATURE, 3.5)
      wait_for(3)
      world:settle()
      assert.equal(3, #notified())
      assert.is_truthy(next(dev.observations))
    end)

    it("a stale notification never", function()
      local dev = observed()
      local token, o = next(dev.observations)
      dev:set(TEMPERATURE, 5.5)
      wait_for(1)
      dev:send_raw(Coap.build { type = "NON", code = "2.05", mid = 77, token = token, observe = o.seq - 1, format = 0,
        payload = "1.5" })
      world:run(function() return world:stat("coap.stale_notifications") == 1 end)
      assert.equal(1, #notified())
    end)

    it("and gets a long notification whole", function()
      local dev = start()
      world:call("observe", dev.endpoint, "/3/0/0")
      local text = ("abcdefghij"):rep(500)
      dev:set("/3/0/0", text)
      assert.same({ ["/3/0/0"] = text }, wait_for(1).values)
    end)

    it("nothing in the name of somebody else", function()
      local dev = observed()
      local peer = world:peer()
      local token = next(dev.observations)
      peer:send { type = "CON", code = "2.05", mid = 5, token = token, observe = 100, format = 0, payload = "99.5" }
      world:run(function() return world:stat("lwm2m.foreign_notifications") == 1 end)
      peer:send { type = "CON", code = "2.05", mid = 6, token = "unknown", observe = 100, format = 0, payload = "99.5" }
      local answer = peer:receive()
      assert.same({ "RST", 6 }, { answer.type, answer.mid }) -- and the foreign one is not answered at all
      assert.equal(0, #notified())
      dev:set(TEMPERATURE, 6.5)
      assert.same({ [TEMPERATURE] = 6.5 }, wait_for(1).values)
    end)
  end)
end)
