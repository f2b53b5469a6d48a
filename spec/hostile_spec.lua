--- What comes from the internet to an open UDP port: the host must live, count it, and serve a good device at once.
--- All random input comes from one seed, which a failure names.
local World = require "spec.support.world"
local Sim = require "moonwire.sim"
local Coap = Sim.coap

local FLOOD = 3000
local LINKS = "</1/0>,</3/0>"

--- Pseudo-random numbers that are the same everywhere and every time.
local function random_of(seed)
  local x = seed
  return function(low, high)
    x = (x * 6364136223846793005 + 1442695040888963407)
    return low + (x >> 33) % (high - low + 1)
  end
end

describe("a hostile peer", function()
  local world, peer
  before_each(function()
    world = World.new()
    world:open()
    peer = world:peer()
    peer.step = function(self) while self.sock:recv() do end end -- luacheck: ignore 542
  end)
  after_each(function() world:close() end)

  local function register(m)
    local all = { code = "POST", path = "/rd", format = 40, payload = LINKS, query = { "ep=x", "lwm2m=1.1" }, mid = 1 }
    for name, value in pairs(m or {}) do all[name] = value end
    return Coap.build(all)
  end

  --- Sends `n` datagrams, each made by f(i), and lets the host keep up.
  local function flood(n, f)
    local before = world:stat("udp.received")
    for i = 1, n do
      local bytes = f(i)
      peer.sock:send("127.0.0.1", world.port, bytes)
      if i % 50 == 0 then
        assert(world.host:step())
        peer:step()
      end
    end
    world:run(function() return world:stat("udp.received") >= before + n end)
  end

  --- A good device registers, is read, is observed, notifies, and leaves.
  local function good_device_works()
    local dev = world:registered { endpoint = "good" }
    assert.same({ ["/3/0/0"] = "Moonwire" }, world:call("read", "good", "/3/0/0"))
    assert.same({ ["/3303/0/5700"] = 21.5 }, world:call("observe", "good", "/3303/0/5700"))
    local n = #world:named("value.received")
    dev:set("/3303/0/5700", 22.5)
    assert.same({ ["/3303/0/5700"] = 22.5 }, world:event("value.received", n + 1).values)
    dev:deregister()
    world:run(function() return dev.state == "idle" end)
    assert.equal(0, world:stat("coap.exchanges"))
  end

  for _, seed in ipairs { 1, 2026 } do
    it(("sends random bytes (seed %d)"):format(seed), function()
      local random = random_of(seed)
      flood(FLOOD, function()
        local bytes = {}
        for i = 1, random(0, 80) do bytes[i] = string.char(random(0, 255)) end
        if bytes[1] and random(0, 3) > 0 then bytes[1] = string.char(0x40 | random(0, 0x3f)) end
        return table.concat(bytes)
      end)
      assert.is_true(world:stat("coap.malformed") > FLOOD // 2)
      assert.equal(0, world:stat("devices.registered"))
      good_device_works()
    end)

    it(("changes bytes of good messages (seed %d)"):format(seed), function()
      local random = random_of(seed)
      local good = { register(), register { query = { "ep=x", "lwm2m=1.0", "b=UQ", "lt=5", "sms=1" } },
        Coap.build { code = "POST", path = "/rd/AAAAAAAAAAAA", query = { "lt=9" }, mid = 5 },
        register { options = { { Coap.OPTION.BLOCK1, Coap.block(0, true, 64) } }, payload = ("x"):rep(64) },
        Coap.build { type = "CON", code = "2.05", token = "12345678", observe = 4, format = 112, payload = "\x81\xa1\x00\x01" } }
      flood(FLOOD, function(i)
        local bytes = good[random(1, #good)]
        for _ = 1, random(1, 4) do
          local at = random(1, #bytes)
          bytes = bytes:sub(1, at - 1) .. string.char(random(0, 255)) .. bytes:sub(at + 1)
        end
        return bytes:sub(1, 2) .. (">I2"):pack(i) .. bytes:sub(5)
      end)
      assert.is_true(world:stat("coap.malformed") + world:stat("coap.bad_options") > 0)
      assert.is_true(world:stat("lwm2m.refused_registrations") > 0)
      good_device_works()
    end)
  end

  it("cuts good messages at every byte", function()
    local whole = register { token = "12345678", options = { { 2049, ("y"):rep(300) } } }
    flood(#whole, function(i) return whole:sub(1, i) end)
    assert.equal(#whole, world:stat("udp.received"))
    assert.is_true(world:stat("coap.malformed") > 10)
    good_device_works()
  end)

  it("names token lengths of 9 to 15", function()
    flood(14, function(i) return string.char(0x40 | (i < 8 and 8 + i or 1 + i)) .. "\2\0" .. string.char(i) .. ("t"):rep(20) end)
    assert.equal(14, world:stat("coap.malformed"))
    assert.equal(0, world:stat("coap.requests_received"))
    good_device_works()
  end)

  it("makes option numbers overflow and uses reserved nibbles", function()
    local bad = {
      "\xf0", "\x0f", "\xd0", "\xe0\xff", "\xe0\xff\xff", "\xe0\xff\xff\xe0\xff\xff", "\x0e\xff\xff", "\xff", "\xdd\xff\xff",
      ("\xe0\xff\xff"):rep(100), ("\x10"):rep(300), ("\x00"):rep(1000), "\xee\xff\xff\xff\xff", "\xb2rd\xff",
    }
    flood(#bad * 4, function(i)
      local options = bad[(i - 1) // 4 + 1]
      return (">BBI2"):pack(0x40 | (i % 4) << 4, 2, i) .. options
    end)
    assert.is_true(world:stat("coap.malformed") > #bad)
    good_device_works()
  end)

  it("sends critical options, known ones too often, too long", function()
    local checker = world:peer()
    for _, options in ipairs { { { 1, "" } }, { { 9, "x" } }, { { 65535, "" } }, { { 17, "" }, { 17, "" } }, { { 17, "123" } },
      { { 3, "" } }, { { 7, "123" } }, { { 27, "\0" }, { 27, "\0" } }, { { 23, "1234" } }, { { 11, ("p"):rep(256) } } } do
      local answer = checker:ask { code = "POST", path = "/rd", format = 40, payload = LINKS,
        query = { "ep=x", "lwm2m=1.1" }, options = options }
      assert.equal("4.02", answer.code, options[1][1])
    end
    local answer = checker:ask { type = "NON", code = "POST", path = "/rd", options = { { 9, "x" } } }
    assert.same({ "RST", "0.00" }, { answer.type, answer.code })
    assert.equal(11, world:stat("coap.bad_options"))
    good_device_works()
  end)

  it("sends codes that are reserved, and types that do not belong to them", function()
    flood(256 * 4, function(i)
      local code, kind = (i - 1) // 4, (i - 1) % 4
      return (">BBI2"):pack(0x40 | kind << 4, code, i)
    end)
    assert.is_true(world:stat("coap.malformed") > 256)
    good_device_works()
  end)

  it("sends blocks out of order, huge block numbers, and bodies without end", function()
    local checker = world:peer()
    local function block(num, more, size, payload)
      return checker:ask { code = "POST", path = "/rd", format = 40, payload = payload or ("x"):rep(size),
        query = { "ep=x", "lwm2m=1.1" }, options = { { Coap.OPTION.BLOCK1, Coap.block(num, more, size) } } }
    end
    assert.equal("4.08", block(0xfffff, true, 1024).code)
    assert.equal("4.08", block(7, false, 16).code)
    local answer = checker:ask { code = "POST", path = "/rd", options = { { Coap.OPTION.BLOCK1, "\x0f" } }, payload = "x" }
    assert.equal("4.00", answer.code) -- SZX 7 is reserved
    answer = checker:ask { code = "POST", path = "/rd", options = { { Coap.OPTION.BLOCK2, Coap.block(9000, false, 16) } } }
    assert.equal("4", answer.code:sub(1, 1))
    local code, num = "2.31", 0
    while code == "2.31" and num < 5000 do
      code = block(num, true, 1024).code
      num = num + 1
    end
    assert.equal("4.13", code)
    assert.is_true(num > 16, "bodies of 16 KiB are ordinary")
    flood(2000, function(i) -- begins transfers and never ends one
      return register { mid = i, query = { "ep=" .. i, "lwm2m=1.1" }, payload = ("x"):rep(1024),
        options = { { Coap.OPTION.BLOCK1, Coap.block(0, true, 1024) } } }
    end)
    assert.is_true(world:stat("coap.blocks_refused") > 0)
    assert.equal(0, world:stat("devices.registered"))
    good_device_works()
  end)

  it("registers with odd parameters", function()
    local checker = world:peer()
    local function ask(query, payload)
      return checker:ask({ code = "POST", path = "/rd", format = 40, payload = payload or LINKS, query = query }).code
    end
    local v = "lwm2m=1.1"
    for _, query in ipairs {
      {}, { "ep" }, { "=x" }, { "ep=", v }, { "ep=" .. ("n"):rep(255 - 3), "ep=x", v }, { "ep=a\0b", v }, { "ep=\xff", v },
      { "ep=x", "lwm2m=" }, { "ep=x", "lwm2m=1" }, { "ep=x", "lwm2m=1.1.1" }, { "ep=x", "lwm2m=01.1" },
      { "ep=x", v, "lt=" }, { "ep=x", v, "lt=0x10" }, { "ep=x", v, "lt=1e3" }, { "ep=x", v, "lt=99999999999" },
      { "ep=x", v, "b=" }, { "ep=x", v, "b=UU" }, { "ep=x", v, "b=U\0" }, { "ep=x", v, "sms=" .. ("9"):rep(200) },
      { "ep=x", v, "a=" .. ("1"):rep(250), "c=" .. ("2"):rep(250), "d=" .. ("3"):rep(250), "e=" .. ("4"):rep(250),
        "f=" .. ("5"):rep(250) }, { "ep=x", v, "k=\x1b[2J" },
    } do
      assert.equal("4.00", ask(query), table.concat(query, "&"))
    end
    assert.equal("4.12", ask { "ep=x", "lwm2m=1.99" })
    for _, links in ipairs { "<", "<>", "</>", "</99999/0>", "</a/b>", "</3/0", "<//>", (","):rep(900), "</0/0>,</21/0>" } do
      assert.equal("4.00", ask({ "ep=x", v }, links), links)
    end
    assert.equal(0, world:stat("devices.registered"))
    assert.is_true(world:stat("lwm2m.refused_registrations") > 25)
    for _, line in ipairs(world.lines) do assert.is_nil(line:find("[%c]"), line) end
    for _, links in ipairs { "</3/0>;", "</3/0>;=\"\\\"\"", "</1/0>,<", "</3/0>,</99999/1>", ("</3/0>,"):rep(140) .. "</1>" } do
      assert.equal("2.01", ask({ "ep=x", v }, links), links)
    end
    good_device_works()
  end)

  it("answers questions that nobody asked", function()
    local dev = world:registered { endpoint = "victim" }
    local token = "12345678"
    dev.answer_mode = "silent"
    local got
    local id = world.host:read("victim", "/3/0/0", function(values, _, code) got = values or code end)
    flood(1000, function(i)
      return Coap.build { type = ({ "ACK", "CON", "NON", "RST" })[i % 4 + 1], code = i % 4 == 3 and "EMPTY" or "2.05", mid = i,
        token = i % 4 == 3 and "" or token, payload = i % 4 == 3 and "" or "forged", format = i % 4 ~= 3 and 0 or nil }
    end)
    assert.is_nil(got)
    assert.is_true(world:stat("coap.unknown_tokens") >= 500)
    assert.is_true(world.host:cancel(id))
    assert.equal("ECANCELED", got)
    good_device_works()
  end)

  it("takes up names, until there are no more, and no further", function()
    world:close_host()
    world:open { max_devices = 100 }
    flood(500, function(i) return register { mid = i, query = { "ep=spam-" .. i, "lwm2m=1.1" } } end)
    world:run(function() return world:stat("lwm2m.registrations") == 100 end)
    assert.equal(400, world:stat("lwm2m.refused_registrations"))
    assert.equal(100, world:stat("devices.known"))
  end)

  it("is a device that answers with nonsense", function()
    local random = random_of(7)
    local formats = { 0, 42, 60, 112, 11542, 40, 11543, 110, 65535 }
    local dev = world:registered { endpoint = "liar", on = { read = function()
      local bytes = {}
      for i = 1, random(0, 40) do bytes[i] = string.char(random(0, 255)) end
      return { code = "2.05", format = formats[random(1, #formats)], payload = table.concat(bytes) }
    end } }
    local left = 300
    for i = 1, left do
      assert(world.host:read("liar", ({ "/3303", "/3303/0", "/3303/0/5700", "/31000/0/1" })[i % 4 + 1], function()
        left = left - 1
      end))
      if i % 50 == 0 then world:run(function() return left == 300 - i end) end
    end
    world:run(function() return left == 0 end)
    assert.is_true(world:stat("lwm2m.undecodable") > 50)
    assert.is_true(world.host:device("liar").registered)
    dev:close()
    good_device_works()
  end)
end)
