--- The simulated devices against a peer of hand-made CoAP bytes: every datagram that libcoap sends or gets is checked
--- here without any of the host's code.
local Sim = require "moonwire.sim"
local Coap = require "moonwire.sim.coap"

local TLV, SENML_CBOR = 11542, 112

--- A "server": a bare socket with the shape that Sim.run wants.
local Peer = {}
Peer.__index = Peer

local function new_peer()
  return setmetatable({ sock = assert(Sim.udp()), inbox = {}, mid = 1000 }, Peer)
end

function Peer:fd() return self.sock:fd() end
function Peer:timeout_ms() return -1 end -- luacheck: ignore 212
function Peer:step()
  while true do
    local bytes, host, port = self.sock:recv()
    if not bytes then return end
    local m = assert(Coap.parse(bytes))
    m.bytes, m.host, m.port = bytes, host, port
    self.inbox[#self.inbox + 1] = m
  end
end

function Peer:send(m) self.sock:send("127.0.0.1", self.port, Coap.build(m)) end

function Peer:next_mid()
  self.mid = self.mid + 1
  return self.mid
end

describe("moonwire.sim", function()
  local peer, devices

  before_each(function() peer, devices = new_peer(), {} end)
  after_each(function()
    for _, dev in ipairs(devices) do dev:close() end
    peer.sock:close()
  end)

  local function device(opts)
    local all = {
      endpoint = "urn:dev:1", server = "coap://127.0.0.1:" .. peer.sock:port(), ack_timeout_ms = 1000,
      objects = {
        [1] = { [0] = { [0] = 101, [1] = 300 } },
        [3] = { [0] = { [0] = "Moonwire", [1] = "sim", [4] = Sim.exec(function() end), [6] = { [0] = 1, [2] = 5 } } },
        [5] = {},
        [3303] = { [0] = { [5700] = 21.5, [5701] = "Cel" } },
      },
      types = { ["3303/5700"] = "Float" },
    }
    for name, value in pairs(opts or {}) do all[name] = value end
    local dev = assert(Sim.device(all))
    devices[#devices + 1] = dev
    peer.port = dev:port()
    return dev
  end

  --- Runs until the peer has a message, takes and returns it.
  local function receive()
    assert(Sim.run { host = peer, devices = devices, until_ = function() return peer.inbox[1] end, timeout_ms = 5000 },
      "nothing arrived")
    return table.remove(peer.inbox, 1)
  end

  local function run_until(f)
    assert.is_truthy(Sim.run { host = peer, devices = devices, until_ = f, timeout_ms = 5000 })
  end

  --- Steps until nothing moves any more.
  local function settle()
    for _ = 1, 3 do
      Sim.step_all(devices)
      peer:step()
    end
  end

  --- Sends a request to the device and gives the answer.
  local function ask(code, path, more)
    local m = { code = code, path = path, mid = peer:next_mid(), token = "tok" }
    for name, value in pairs(more or {}) do m[name] = value end
    peer:send(m)
    return receive(), m
  end

  local function registered(opts)
    local dev = device(opts)
    dev:register()
    local r = receive()
    peer:send { type = "ACK", code = "2.01", mid = r.mid, token = r.token, location = "/rd/abc" }
    run_until(function() return dev.state == "registered" end)
    return dev, r
  end

  describe("coap", function()
    it("builds and parses what RFC 7252 prints", function()
      local bytes = Coap.build { code = "GET", mid = 0x7d34, path = "/temperature" }
      assert.equal("\x40\x01\x7d\x34\xbbtemperature", bytes)
      local m = Coap.parse(bytes)
      assert.same({ "CON", "0.01", 0x7d34, "/temperature" }, { m.type, m.code, m.mid, m.path })
    end)

    it("round-trips long options and deltas", function()
      local long = ("x"):rep(300)
      local m = Coap.parse(Coap.build {
        type = "NON", code = "2.05", token = "12345678", options = { { 2000, long }, { 20, ("y"):rep(13) } },
        observe = 0, format = 11542, payload = "\xff",
      })
      assert.same({ { 6, "" }, { 12, "\x2d\x16" }, { 20, ("y"):rep(13) }, { 2000, long } }, m.options)
      assert.same({ "NON", "2.05", "12345678", "\xff", 0 }, { m.type, m.code, m.token, m.payload, m.observe })
    end)

    local malformed = {
      ["shorter than a header"] = "\x40\x01\x00", ["version is not 1"] = "\x80\x01\x00\x00",
      ["token length is over 8"] = "\x49\x01\x00\x00123456789", ["token is cut"] = "\x44\x01\x00\x00abc",
      ["payload marker without payload"] = "\x40\x01\x00\x00\xff", ["option value is cut"] = "\x40\x01\x00\x00\xb5tem",
      ["option header is cut"] = "\x40\x01\x00\x00\xd0",
      ["option header has the reserved value 15"] = "\x40\x01\x00\x00\xf0",
    }
    for why, bytes in pairs(malformed) do
      it("refuses: " .. why, function()
        local m, err = Coap.parse(bytes)
        assert.is_nil(m)
        assert.equal(why, err)
      end)
    end

    it("packs block options", function()
      assert.equal("", Coap.block(0, false, 16))
      assert.equal("\x0e", Coap.block(0, true, 1024))
      assert.same({ 300, true, 64 }, { Coap.unblock(Coap.block(300, true, 64)) })
    end)
  end)

  describe("registration", function()
    it("sends ep, lt, lwm2m, b and the object list", function()
      local dev, r = registered()
      assert.same({ "CON", "0.02", "/rd", 40 }, { r.type, r.code, r.path, r.format })
      assert.same({ "ep=urn:dev:1", "lt=300", "lwm2m=1.1", "b=U" }, r.query)
      assert.equal('</>;rt="oma.lwm2m";ct="60 112 11542",</1/0>,</3/0>,</5>,</3303/0>', r.payload)
      assert.same({ "/rd/abc", "2.01" }, { dev.location, dev.last_code })
    end)

    local variants = {
      { name = "1.0 with queue mode", opts = { version = "1.0", queue = true },
        query = { "ep=urn:dev:1", "lt=300", "lwm2m=1.0", "b=UQ" }, payload = "</1/0>,</3/0>,</5>,</3303/0>" },
      { name = "1.1 with queue mode, sms and more", opts = { queue = true, sms = "49170", extra = { "x=y" } },
        query = { "ep=urn:dev:1", "lt=300", "lwm2m=1.1", "b=U", "Q", "sms=49170", "x=y" } },
      { name = "1.2 without ep and b", opts = { version = "1.2", endpoint = false, binding = false },
        query = { "lt=300", "lwm2m=1.2" } },
      { name = "alternate path and versions", opts = { alternate = "/lw", versions = { [3] = "1.1" }, ct = "110" },
        payload = '</lw>;rt="oma.lwm2m";ct="110",</lw/1/0>,</lw/3>;ver=1.1,</lw/3/0>,</lw/5>,</lw/3303/0>' },
      { name = "no security object", opts = { objects = { [0] = { [0] = {} }, [3] = { [0] = {} } }, ct = "" },
        payload = '</>;rt="oma.lwm2m",</3/0>' },
    }
    for _, v in ipairs(variants) do
      it("can be " .. v.name, function()
        local _, r = registered(v.opts)
        if v.query then assert.same(v.query, r.query) end
        if v.payload then assert.equal(v.payload, r.payload) end
      end)
    end

    it("tells a refusal and the lack of an answer apart", function()
      local dev = device()
      local seen = {}
      dev:register(function(_, code) seen[#seen + 1] = code end)
      local r = receive()
      peer:send { type = "ACK", code = "4.03", mid = r.mid, token = r.token }
      run_until(function() return dev.state == "rejected" end)
      local mute = device { max_retransmit = 1 }
      mute:register(function(_, code) seen[#seen + 1] = code end)
      run_until(function() return mute.state == "failed" end)
      assert.same({ "4.03", "ETIMEOUT" }, seen)
      assert.equal(2, #peer.inbox)
      assert.equal(peer.inbox[1].bytes, peer.inbox[2].bytes)
    end)

    it("takes a separate answer and acknowledges it", function()
      local dev = device()
      dev:register()
      local r = receive()
      peer:send { type = "ACK", code = "EMPTY", mid = r.mid }
      settle()
      assert.equal("registering", dev.state)
      peer:send { code = "2.01", mid = 77, token = r.token, location = "/rd/1" }
      local ack = receive()
      assert.same({ "ACK", "0.00", 77 }, { ack.type, ack.code, ack.mid })
      assert.equal("registered", dev.state)
    end)

    it("sends a big object list in blocks", function()
      local objects = { [3] = { [0] = {} }, [3303] = {} }
      for iid = 0, 199 do objects[3303][iid] = {} end
      local dev = device { objects = objects }
      dev:register()
      local body = ""
      repeat
        local r = receive()
        local num, more, size = Coap.unblock(Coap.values(r, Coap.OPTION.BLOCK1)[1])
        assert.equal(#body, num * size)
        body = body .. r.payload
        peer:send { type = "ACK", code = more and "2.31" or "2.01", mid = r.mid, token = r.token,
          options = { { Coap.OPTION.BLOCK1, Coap.block(num, more, size) } }, location = not more and "/rd/b" or nil }
      until not more
      run_until(function() return dev.state == "registered" end)
      assert.equal(202, select(2, body:gsub("</", "")))
      assert.truthy(body:find("</3303/199>", 1, true))
    end)

    it("updates, re-registers after 4.04 and de-registers", function()
      local dev = registered()
      dev:update { lifetime = 60, objects = true }
      local u = receive()
      assert.same({ "0.02", "/rd/abc", { "lt=60" }, 40 }, { u.code, u.path, u.query, u.format })
      peer:send { type = "ACK", code = "2.04", mid = u.mid, token = u.token }
      run_until(function() return dev.last_code == "2.04" end)
      dev:update()
      u = receive()
      assert.same({ {}, "" }, { u.query, u.payload })
      peer:send { type = "ACK", code = "4.04", mid = u.mid, token = u.token }
      local r = receive()
      assert.same({ "/rd", "lt=60" }, { r.path, r.query[2] })
      peer:send { type = "ACK", code = "2.01", mid = r.mid, token = r.token, location = "/rd/new" }
      run_until(function() return dev.location == "/rd/new" end)
      dev:deregister()
      local d = receive()
      assert.same({ "0.04", "/rd/new" }, { d.code, d.path })
      peer:send { type = "ACK", code = "2.02", mid = d.mid, token = d.token }
      run_until(function() return dev.state == "idle" end)
      assert.is_nil(dev.location)
    end)

    it("updates by itself at half of the lifetime", function()
      local now = 1000
      local dev = registered { auto_update = true, lifetime = 100, clock = function() return now end }
      assert.equal(50000, dev:timeout_ms())
      now = 1049.5
      settle()
      assert.equal(0, #peer.inbox)
      now = 1050
      assert.equal("/rd/abc", receive().path)
    end)
  end)

  describe("read", function()
    local cases = {
      { "/3303/0/5700", nil, "2.05", "21.5", 0 },
      { "/3303/0/5700", 0, "2.05", "21.5", 0 },
      { "/3/0/0", TLV, "2.05", "\xc8\x00\x08Moonwire", TLV },
      { "/3/0/6", TLV, "2.05", "\x86\x06\x41\x00\x01\x41\x02\x05", TLV },
      { "/3/0/6/2", 0, "2.05", "5", 0 },
      { "/3303/0", TLV, "2.05", "\xe8\x16\x44\x08\x40\x35\x80\x00\x00\x00\x00\x00\xe3\x16\x45Cel", TLV, 2 },
      { "/3303/0", 0, "4.06" }, { "/3/0/0", 50, "4.06" }, { "/3/0/0", 42, "4.06" },
      { "/9", nil, "4.04" }, { "/3/1", nil, "4.04" }, { "/3/0/99", nil, "4.04" }, { "/3/0/6/1", nil, "4.04" },
      { "/3/0/4", nil, "4.05" }, { "/0/0/0", nil, "4.01" }, { "/x/0", nil, "4.04" }, { "/3/0/6/1/1", nil, "4.05" },
    }
    for _, c in ipairs(cases) do
      local path, accept, code, payload, format, loose = table.unpack(c, 1, 6)
      it(("of %s with Accept %s gives %s"):format(path, accept or "-", code), function()
        device()
        local a, q = ask("GET", path, { accept = accept })
        assert.same({ "ACK", code, q.mid, q.token }, { a.type, a.code, a.mid, a.token })
        assert.equal(format, a.format)
        -- Encoders may choose four or eight bytes for a float.
        if payload and not loose then assert.equal(payload, a.payload) end
      end)
    end

    it("gives an instance in the version's default format", function()
      device { version = "1.0" }
      assert.equal(TLV, ask("GET", "/3303/0").format)
      device { version = "1.1" }
      assert.equal(SENML_CBOR, ask("GET", "/3303/0").format)
    end)

    it("speaks CBOR and SenML CBOR", function()
      device()
      assert.equal("\x68Moonwire", ask("GET", "/3/0/0", { accept = 60 }).payload)
      local a = ask("GET", "/3/0/0", { accept = SENML_CBOR })
      assert.same({ "2.05", SENML_CBOR }, { a.code, a.format })
      assert.truthy(a.payload:find("Moonwire", 1, true))
    end)

    it("calls functions and keeps tagged values", function()
      device {
        objects = { [10] = { [0] = {
          [0] = function(_, now) return now end, [1] = Sim.opaque "\1\2", [2] = Sim.objlnk(3, 0),
          [3] = Sim.time(5), [4] = Sim.unsigned(7), [5] = true, [6] = function() error("broken") end,
          [7] = Sim.raw("\xde\xad", 4711),
        } } },
        clock = function() return 42 end,
      }
      assert.equal("42", ask("GET", "/10/0/0").payload)
      assert.same({ "\1\2", 42 }, { ask("GET", "/10/0/1").payload, 42 })
      assert.equal("3:0", ask("GET", "/10/0/2").payload)
      assert.equal("5", ask("GET", "/10/0/3").payload)
      assert.equal("7", ask("GET", "/10/0/4").payload)
      assert.equal("1", ask("GET", "/10/0/5").payload)
      assert.equal("5.00", ask("GET", "/10/0/6").code)
      assert.truthy(devices[1].error:find("broken", 1, true))
      local raw = ask("GET", "/10/0/7")
      assert.same({ "\xde\xad", 4711 }, { raw.payload, raw.format })
    end)

    it("wants the alternate path when there is one", function()
      device { alternate = "/lw" }
      assert.equal("Moonwire", ask("GET", "/lw/3/0/0").payload)
      assert.equal("4.04", ask("GET", "/3/0/0").code)
    end)

    it("sends two big values in blocks at the same time without mixing them", function()
      local a, b = ("a"):rep(2500), ("b"):rep(1500) .. ("c"):rep(1000)
      device { objects = { [10] = { [0] = { [0] = a, [1] = b } } } }
      local got = { "", "" }
      for num = 0, 2 do
        for i = 1, 2 do
          local options = num > 0 and { { Coap.OPTION.BLOCK2, Coap.block(num, false, 1024) } } or {}
          local r = ask("GET", "/10/0/" .. i - 1, { options = options })
          local n, more = Coap.unblock(Coap.values(r, Coap.OPTION.BLOCK2)[1])
          assert.same({ num, num < 2 }, { n, more })
          got[i] = got[i] .. r.payload
        end
      end
      assert.same({ a, b }, got)
    end)

    it("obeys an early small block size", function()
      device { objects = { [10] = { [0] = { [0] = ("a"):rep(100) } } } }
      local r = ask("GET", "/10/0/0", { options = { { Coap.OPTION.BLOCK2, Coap.block(0, false, 64) } } })
      assert.same({ 0, true, 64 }, { Coap.unblock(Coap.values(r, Coap.OPTION.BLOCK2)[1]) })
      assert.equal(64, #r.payload)
    end)
  end)

  describe("discover and attributes", function()
    it("lists what is there with its attributes", function()
      local dev = device()
      assert.equal("2.04", ask("PUT", "/3/0", { query = { "pmin=10", "pmax=60" } }).code)
      assert.equal("2.04", ask("PUT", "/3/0/0", { query = { "gt=1.5" } }).code)
      local a = ask("GET", "/3", { accept = 40 })
      assert.same({ "2.05", 40 }, { a.code, a.format })
      assert.equal("</3>,</3/0>;pmax=60;pmin=10,</3/0/0>;gt=1.5,</3/0/1>,</3/0/4>,</3/0/6>;dim=2", a.payload)
      assert.equal("</3/0/6>;dim=2,</3/0/6/0>,</3/0/6/2>", ask("GET", "/3/0/6", { accept = 40 }).payload)
      assert.equal("4.04", ask("GET", "/9", { accept = 40 }).code)
      ask("PUT", "/3/0", { query = { "pmin" } })
      assert.same({ pmax = "60" }, dev.attributes["/3/0"])
      assert.equal("4.00", ask("PUT", "/3/0", { query = { "pmin=x" } }).code)
    end)
  end)

  describe("write", function()
    it("replaces a resource", function()
      local dev = device()
      assert.equal("2.04", ask("PUT", "/3/0/0", { format = 0, payload = "new" }).code)
      assert.equal("2.04", ask("PUT", "/3303/0/5700", { format = TLV, payload = "\xe4\x16\x44\x41\xa0\x00\x00" }).code)
      assert.same({ "new", 20.0 }, { dev:get("/3/0/0"), dev:get("/3303/0/5700") })
    end)

    it("replaces or merges an instance and a multiple resource", function()
      local dev = device()
      ask("POST", "/3303/0", { format = TLV, payload = "\xe3\x16\x45abc" })
      assert.same({ [5700] = 21.5, [5701] = "abc" }, dev:get("/3303/0"))
      ask("PUT", "/3303/0", { format = TLV, payload = "\xe3\x16\x45xyz" })
      assert.same({ [5701] = "xyz" }, dev:get("/3303/0"))
      ask("POST", "/3/0/6", { format = TLV, payload = "\x83\x06\x41\x02\x09" })
      assert.same({ [0] = 1, [2] = 9 }, dev:get("/3/0/6"))
      ask("PUT", "/3/0/6", { format = TLV, payload = "\x83\x06\x41\x02\x09" })
      assert.same({ [2] = 9 }, dev:get("/3/0/6"))
    end)

    it("refuses what a device must refuse", function()
      local dev = device { access = { ["3/1"] = "R" }, strict = true }
      local cases = {
        { "PUT", "/3/0/1", 0, "x", "4.05" }, { "PUT", "/3/0/4", 0, "x", "4.05" }, { "PUT", "/3/9/1", 0, "x", "4.04" },
        { "PUT", "/3/0/77", 0, "x", "4.04" }, { "PUT", "/3/0/0", 4711, "x", "4.15" },
        { "PUT", "/3303/0/5700", 0, "warm", "4.00" }, { "PUT", "/3/0/0", TLV, "\xc8", "4.00" },
        { "PUT", "/3", TLV, "\xc1\x00x", "4.05" },
      }
      for _, c in ipairs(cases) do
        assert.equal(c[5], ask(c[1], c[2], { format = c[3], payload = c[4] }).code, c[2])
      end
      assert.same({ "Moonwire", "sim", 21.5 }, { dev:get("/3/0/0"), dev:get("/3/0/1"), dev:get("/3303/0/5700") })
    end)

    it("takes a big value in blocks", function()
      local dev = device { objects = { [5] = { [0] = { [0] = Sim.opaque "" } } } }
      local image = ("firmware"):rep(300)
      local function block(num, more)
        return ask("PUT", "/5/0/0", {
          format = 42, payload = image:sub(num * 1024 + 1, (num + 1) * 1024),
          options = { { Coap.OPTION.BLOCK1, Coap.block(num, more, 1024) } },
        }).code
      end
      assert.same({ "2.31", "2.31", "2.04" }, { block(0, true), block(1, true), block(2, false) })
      assert.equal(image, dev:get("/5/0/0"))
      -- A second image, and one with a hole.
      image = ("software"):rep(300)
      assert.same({ "2.31", "2.31", "2.04" }, { block(0, true), block(1, true), block(2, false) })
      assert.equal(image, dev:get("/5/0/0"))
      assert.same({ "2.31", "4.08" }, { block(0, true), block(2, false) })
    end)
  end)

  describe("SenML CBOR", function()
    local function record(name, label_and_value)
      return "\xa2\x00" .. string.char(0x60 + #name) .. name .. label_and_value
    end

    it("writes a resource and creates an instance", function()
      local dev = device()
      local one = "\x81" .. record("/3/0/0", "\x03\x63abc")
      assert.equal("2.04", ask("PUT", "/3/0/0", { format = SENML_CBOR, payload = one }).code)
      assert.equal("abc", dev:get("/3/0/0"))
      local new = "\x81" .. record("/3303/4/5701", "\x03\x61K")
      assert.equal("2.01", ask("POST", "/3303", { format = SENML_CBOR, payload = new }).code)
      assert.equal("K", dev:get("/3303/4/5701"))
      assert.equal("4.00", ask("PUT", "/3/0/1", { format = SENML_CBOR, payload = one }).code)
    end)

    it("writes several paths or none", function()
      local dev = device()
      local good = record("/3/0/0", "\x03\x61A") .. record("/3303/0/5701", "\x03\x61B")
      assert.equal("2.04", ask("IPATCH", "/", { format = SENML_CBOR, payload = "\x82" .. good }).code)
      assert.same({ "A", "B" }, { dev:get("/3/0/0"), dev:get("/3303/0/5701") })
      local bad = record("/3/0/0", "\x03\x61X") .. record("/77/0/1", "\x03\x61Y")
      assert.equal("4.04", ask("IPATCH", "/", { format = SENML_CBOR, payload = "\x82" .. bad }).code)
      assert.equal("A", dev:get("/3/0/0"))
    end)
  end)

  describe("execute, create, delete", function()
    it("runs the function with its arguments", function()
      local args
      local dev = device { objects = { [3] = { [0] = {
        [4] = Sim.exec(function(_, a) args = a end), [5] = Sim.exec(function() return "4.00" end),
        [6] = Sim.exec(function() error("boom") end), [7] = 1,
      } } } }
      assert.equal("2.04", ask("POST", "/3/0/4", { format = 0, payload = "0='x',2" }).code)
      assert.equal("0='x',2", args)
      assert.equal("2.04", ask("POST", "/3/0/4").code)
      assert.equal("", args)
      assert.equal("4.00", ask("POST", "/3/0/5").code)
      assert.equal("5.00", ask("POST", "/3/0/6").code)
      assert.truthy(dev.error:find("boom", 1, true))
      assert.equal("4.05", ask("POST", "/3/0/7").code)
      assert.equal("4.04", ask("POST", "/3/0/9").code)
    end)

    it("creates with and without an id, and deletes", function()
      local dev = device()
      local a = ask("POST", "/3303", { format = TLV, payload = "\xe3\x16\x45new" })
      assert.same({ "2.01", "/3303/1" }, { a.code, a.location })
      a = ask("POST", "/3303", { format = TLV, payload = "\x06\x07\xe3\x16\x45sev" })
      assert.same({ "2.01", "/" }, { a.code, a.location })
      assert.same({ "new", "sev" }, { dev:get("/3303/1/5701"), dev:get("/3303/7/5701") })
      assert.equal("4.00", ask("POST", "/3303", { format = TLV, payload = "\x06\x07\xe3\x16\x45sev" }).code)
      assert.equal("4.04", ask("POST", "/9", { format = TLV, payload = "\xe3\x16\x45new" }).code)
      assert.equal("2.02", ask("DELETE", "/3303/7").code)
      assert.equal("4.04", ask("DELETE", "/3303/7").code)
      assert.equal("4.05", ask("DELETE", "/3/0").code)
      assert.equal("4.05", ask("DELETE", "/3303").code)
      assert.is_nil(dev:get("/3303/7"))
    end)
  end)

  describe("observe", function()
    it("notifies observers of the path, its instance and its object with rising numbers", function()
      local dev = device()
      for i, path in ipairs { "/3303/0/5700", "/3303/0", "/3303", "/3/0/0" } do
        local a = ask("GET", path, { observe = 0, token = "t" .. i, accept = i > 1 and TLV or nil })
        assert.same({ "2.05", 1 }, { a.code, a.observe })
      end
      dev:set("/3303/0/5700", 30.5)
      local seen = {}
      for _ = 1, 3 do
        local n = receive()
        assert.same({ "CON", "2.05", 2 }, { n.type, n.code, n.observe })
        seen[n.token] = n.payload
        peer:send { type = "ACK", code = "EMPTY", mid = n.mid }
      end
      assert.equal("30.5", seen.t1)
      assert.truthy(seen.t2 and seen.t3)
      settle()
      assert.equal(0, #peer.inbox)
    end)

    for _, kind in ipairs { "con", "non" } do
      it("ends with a reset to a " .. kind, function()
        local dev = device { notify = kind }
        ask("GET", "/3303/0/5700", { observe = 0 })
        dev:set("/3303/0/5700", 1.5)
        local n = receive()
        assert.equal(kind:upper(), n.type)
        assert.same({ 2, "tok" }, { n.observe, n.token })
        peer:send { type = "RST", code = "EMPTY", mid = n.mid }
        run_until(function() return not next(dev.observations) end)
        dev:set("/3303/0/5700", 2.5)
        settle()
        assert.equal(0, #peer.inbox)
      end)
    end

    it("ends with Observe 1, with an error and when nobody acknowledges", function()
      local dev = device { max_retransmit = 1 }
      ask("GET", "/3303/0/5700", { observe = 0 })
      local a = ask("GET", "/3303/0/5700", { observe = 1 })
      assert.same({ "2.05", nil }, { a.code, a.observe })
      assert.is_nil(next(dev.observations))
      ask("GET", "/3303/0/5700", { observe = 0 })
      dev:set("/3303/0/5700", nil)
      local n = receive()
      assert.same({ "4.04", nil }, { n.code, n.observe })
      assert.is_nil(next(dev.observations))
      peer:send { type = "ACK", code = "EMPTY", mid = n.mid }
      ask("GET", "/3303/0/5701", { observe = 0 })
      dev:set("/3303/0/5701", "K")
      run_until(function() return not next(dev.observations) end)
    end)

    it("wraps its number at 24 bits and does not observe what fails", function()
      local dev = device { observe_start = 0xffffff }
      assert.equal("4.04", ask("GET", "/9", { observe = 0 }).code)
      assert.is_nil(next(dev.observations))
      assert.equal(0xffffff, ask("GET", "/3303/0/5700", { observe = 0 }).observe)
      dev:set("/3303/0/5700", 1.5)
      assert.equal(0, receive().observe)
    end)

    it("sends a big notification in blocks", function()
      local dev = device { notify = "non", objects = { [10] = { [0] = { [0] = "short" } } } }
      ask("GET", "/10/0/0", { observe = 0 })
      local big = ("0123456789"):rep(200)
      dev:set("/10/0/0", big)
      local n = receive()
      assert.same({ 0, true, 1024 }, { Coap.unblock(Coap.values(n, Coap.OPTION.BLOCK2)[1]) })
      assert.equal(2, n.observe)
      local rest = ask("GET", "/10/0/0",
        { token = "other", options = { { Coap.OPTION.BLOCK2, Coap.block(1, false, 1024) } } })
      assert.is_nil(rest.observe)
      assert.equal(big, n.payload .. rest.payload)
      assert.same(Coap.values(n, Coap.OPTION.ETAG), Coap.values(rest, Coap.OPTION.ETAG))
    end)

    it("notifies at pmax though nothing changed", function()
      local now = 100
      device { clock = function() return now end }
      ask("PUT", "/3303", { query = { "pmax=30" } })
      ask("GET", "/3303/0/5700", { observe = 0 })
      now = 129
      settle()
      assert.equal(0, #peer.inbox)
      now = 130
      assert.equal(2, receive().observe)
    end)

    it("is forgotten with a new registration", function()
      local dev = registered()
      ask("GET", "/3303/0/5700", { observe = 0 })
      dev:register()
      local r = receive()
      peer:send { type = "ACK", code = "2.01", mid = r.mid, token = r.token, location = "/rd/2" }
      run_until(function() return dev.location == "/rd/2" end)
      assert.is_nil(next(dev.observations))
    end)
  end)

  describe("misbehaviour", function()
    it("loses datagrams and libcoap retransmits", function()
      local dev = device()
      dev:fault("drop_out", 1)
      dev:register()
      local r = receive()
      assert.equal("/rd", r.path)
      dev:fault("drop_in", 1)
      peer:send { type = "ACK", code = "2.01", mid = r.mid, token = r.token, location = "/rd/1" }
      assert.equal(r.bytes, receive().bytes)
    end)

    it("doubles datagrams", function()
      local dev = device()
      dev:fault("twice_out")
      dev:register()
      local one, two = receive(), receive()
      assert.equal(one.bytes, two.bytes)
    end)

    it("sleeps until it sends something", function()
      local dev = device()
      dev:sleep()
      peer:send { code = "GET", path = "/3/0/0", mid = 1 }
      settle()
      assert.equal(0, #peer.inbox)
      dev:register()
      receive()
      assert.equal("2.05", ask("GET", "/3/0/0").code)
    end)

    it("answers separately or only with an empty acknowledgement", function()
      local dev = device { answer_mode = "separate" }
      local ack, q = ask("GET", "/3/0/0")
      assert.same({ "ACK", "0.00", q.mid, "" }, { ack.type, ack.code, ack.mid, ack.token })
      local a = receive()
      assert.same({ "CON", "2.05", "tok", "Moonwire" }, { a.type, a.code, a.token, a.payload })
      peer:send { type = "ACK", code = "EMPTY", mid = a.mid }
      dev.answer_mode = "silent"
      assert.equal("0.00", ask("GET", "/3/0/0").code)
      settle()
      assert.equal(0, #peer.inbox)
    end)

    it("answers a repeated request once, unless it is forgetful", function()
      for i, forgetful in ipairs { false, true } do
        local n = 0
        device { forgetful = forgetful, objects = { [3] = { [0] = { [4] = Sim.exec(function() n = n + 1 end) } } } }
        local a, q = ask("POST", "/3/0/4")
        peer:send(q)
        assert.equal(a.bytes, receive().bytes)
        assert.equal(i, n)
      end
    end)

    it("claims a wrong format, and hooks decide answers", function()
      local dev = device { on = {
        read = function(_, path) if path == "/3/0/1" then return "5.03" end end,
        execute = function() return { code = "2.05", format = 0, payload = "odd" } end,
      } }
      dev.wrong_format = 9
      assert.equal(9, ask("GET", "/3/0/0").format)
      assert.equal("5.03", ask("GET", "/3/0/1").code)
      assert.equal("odd", ask("POST", "/3/0/4").payload)
    end)

    it("sends raw bytes from its own port, and moves to another", function()
      local dev = device()
      local port = dev:port()
      dev:send_raw(Coap.build { code = "POST", path = "/rd", mid = 9 })
      local m = receive()
      assert.same({ port, 9 }, { m.port, m.mid })
      local moved = dev:rebind()
      assert.are_not.equal(port, moved)
      peer.port = moved
      assert.equal(moved, ask("GET", "/3/0/0").port)
    end)

    it("survives a flood of broken bytes", function()
      local dev = device()
      local x = 12345
      for i = 1, 300 do
        local bytes = {}
        for j = 1, i % 40 do
          x = (x * 1103515245 + 12345) & 0x7fffffff
          bytes[j] = string.char(j == 1 and (x >> 16 & 0x3f | 0x40) or x >> 16 & 255)
        end
        peer.sock:send("127.0.0.1", peer.port, table.concat(bytes))
        if i % 20 == 0 then
          Sim.step_all(devices)
          while peer.sock:recv() do end -- luacheck: ignore 542
        end
      end
      local a = ask("GET", "/1/0/0", { token = "after" })
      while a.token ~= "after" do a = receive() end -- resets and answers to the flood come first
      assert.is_nil(dev.error)
      assert.same({ "2.05", "after", "101" }, { a.code, a.token, a.payload })
    end)
  end)

  describe("use", function()
    it("may be closed from a callback", function()
      local dev = device()
      dev.on.request = function(d)
        d:close()
        return "2.05"
      end
      peer:send { code = "GET", path = "/3/0/0", mid = 1 }
      run_until(function() return dev.state == "closed" end)
      assert.has_error(function() dev:port() end, "the simulated device is closed")
    end)

    it("refuses to be stepped from a callback", function()
      local dev = device()
      dev.on.request = function(d) d:step() end
      assert.equal("5.00", ask("GET", "/3/0/0").code)
      assert.truthy(dev.error:find("may not be called from a callback", 1, true))
    end)

    it("names a bad server and a port that is taken", function()
      assert.has_error(function() Sim.device { endpoint = "x", server = "http://x" } end)
      local dev, err = Sim.device { endpoint = "x", server = "coap://127.0.0.1:1", port = peer.sock:port() }
      assert.is_nil(dev)
      assert.truthy(err:find("cannot bind", 1, true))
    end)

    it("reports errors of callbacks without losing the device", function()
      local dev = device()
      dev:register(function() error("in callback") end)
      local r = receive()
      peer:send { type = "ACK", code = "2.01", mid = r.mid, token = r.token, location = "/rd/1" }
      run_until(function() return dev.error end)
      assert.truthy(dev.error:find("in callback", 1, true))
      assert.equal("registered", dev.state)
    end)

    it("sends values unasked", function()
      local dev = registered()
      dev:send { { path = "/3303/0/5700", value = 1.5, time = 1700000000 } }
      local m = receive()
      assert.same({ "/dp", "0.02", SENML_CBOR }, { m.path, m.code, m.format })
    end)

    it("collects devices that nobody closed", function()
      for _ = 1, 20 do
        assert(Sim.device { endpoint = "x", server = "coap://127.0.0.1:9" })
      end
      collectgarbage()
      collectgarbage()
    end)
  end)
end)
