--- lua/moonwire/script/sandbox.lua: what units can see, and how the bounded functions behave. The limits that need C
--- (instructions, bytes) are tested in test/test_script_budget.c.
local Sandbox = require "moonwire.script.sandbox"
local Stub = require "spec.script_stub"

local core, base

local function run(source)
  local env = Sandbox.env(base, {})
  return pcall(assert(load(source, "@unit.lua", "t", env)))
end

local function value(source)
  local env = Sandbox.env(base, {})
  return assert(load(source, "@unit.lua", "t", env))()
end

describe("sandbox", function()
  before_each(function()
    core = Stub.core()
    base = Sandbox.base(core)
  end)

  for _, name in ipairs { "load", "loadstring", "loadfile", "dofile", "require", "io", "debug", "collectgarbage", "rawset",
    "package", "_G", "warn" } do
    it("hides " .. name, function()
      local ok, message = run("return " .. name)
      assert.is_false(ok)
      assert.truthy(message:find(("unit.lua:1: unknown name %q"):format(name), 1, true), message)
    end)
  end

  it("hides what could reach outside in the libraries it shows", function()
    assert.is_nil(value "return os.execute")
    assert.is_nil(value "return os.exit")
    assert.is_nil(value "return os.getenv")
    assert.is_nil(value "return string.dump")
    assert.is_nil(value "return coroutine.running")
    assert.is_nil(value "return math.randomseed")
  end)

  it("suggests names for misspelt ones", function()
    local ok, message = pcall(value, "return lgo.info")
    assert.is_false(ok)
    assert.truthy(message:find('did you mean log?', 1, true), message)
  end)

  it("gives units tables that they cannot change", function()
    for _, source in ipairs { "string.rep = nil", "math.pi = 3", "log.info = print", "table.x = 1", "coroutine.yield = 1" } do
      local ok, message = run(source)
      assert.is_false(ok)
      assert.truthy(message:find("read-only", 1, true), message)
    end
    assert.equal("locked", value "return getmetatable(string)")
    assert.is_false(pcall(value, "setmetatable(string, {})"))
    assert.is_false(pcall(value, "table.insert(string, 1)"))
  end)

  it("lists what is read-only", function()
    assert.is_true(value "for k in pairs(math) do if k == 'pi' then return true end end")
  end)

  it("does not hand out the tables behind what is read-only", function()
    for _, name in ipairs { "string", "table", "math", "os", "utf8", "coroutine", "log" } do
      local ok, message = run(("local _, t = pairs(%s) t.fresh = 1"):format(name))
      assert.is_false(ok)
      assert.truthy(message:find("read-only", 1, true), message)
      assert.is_true(value(("local _, t = pairs(%s) return t == %s and next(t) == nil"):format(name, name)))
    end
  end)

  it("has methods of strings of its own, which nothing that units see refers to", function()
    local mt = getmetatable("")
    local before = { mt.__index, mt.__metatable }
    local _, strings = Sandbox.base(core)
    Sandbox.lock_strings(strings)
    local methods = mt.__index
    strings.rep = function()
      return "changed"
    end
    local text = ("x"):rep(3)
    mt.__index, mt.__metatable = before[1], before[2]
    assert.not_equal(strings, methods)
    assert.equal("xxx", text)
  end)

  it("keeps the globals of units apart", function()
    local env_a = Sandbox.env(base, {})
    local env_b = Sandbox.env(base, {})
    load("shared = 1", "a", "t", env_a)()
    assert.is_false(pcall(load("return shared", "b", "t", env_b)))
    assert.is_nil(rawget(_G, "shared"))
  end)

  it("refuses new globals once the unit runs, but not changes of old ones", function()
    local env, seal = Sandbox.env(base, {})
    local fn = load("n = 1; return function() n = n + 1; fresh = 1 end", "@unit.lua", "t", env)()
    seal()
    local ok, message = pcall(fn)
    assert.is_false(ok)
    assert.truthy(message:find('cannot make the global "fresh"', 1, true), message)
    assert.equal(2, env.n)
  end)

  it("refuses finalizers", function()
    local ok, message = run("setmetatable({}, { __gc = function() end })")
    assert.is_false(ok)
    assert.truthy(message:find("__gc is not allowed", 1, true), message)
    assert.is_true((run "setmetatable({}, { __index = {}, __close = print })"))
  end)

  it("hides the metatable of strings when it is locked", function()
    local mt = getmetatable("")
    local before = { mt.__index, mt.__metatable }
    local _, strings = Sandbox.base(core)
    Sandbox.lock_strings(strings)
    local hidden = getmetatable("")
    local ok, message = pcall(function()
      return ("x"):rep(2 ^ 30)
    end)
    mt.__index, mt.__metatable = before[1], before[2]
    assert.equal("locked", hidden)
    assert.is_false(ok)
    assert.truthy(message:find("are allowed in scripts", 1, true), message)
  end)

  -- source, what the message must contain
  local bounded = {
    { "return string.rep('x', 2^40)", "1048576 are allowed" },
    { "return string.rep('x', 1 << 62)", "1048576 are allowed" },
    { "return string.rep('', 1 << 62, 'xy')", "1048576 are allowed" },
    { "return string.rep({}, 2)", "bad argument #1 to 'rep' (string expected, got table)" },
    { "return string.find(string.rep('x', 65537), 'y')", "bad argument #1 to 'find' (65537 bytes; 65536 are allowed" },
    { "return string.match('x', string.rep('x', 513))", "bad argument #2 to 'match' (513 bytes; 512 are allowed" },
    { "return string.gsub(string.rep('x', 65537), 'y', '')", "bad argument #1 to 'gsub'" },
    { "return string.gmatch(string.rep('x', 65537), 'y')", "bad argument #1 to 'gmatch'" },
    { "return string.format(string.rep('x', 4097))", "bad argument #1 to 'format'" },
    { "return table.concat(setmetatable({}, { __len = function() return 1 << 60 end }))", "plain table expected" },
    { "return table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), 1, 1)", "plain table expected" },
    { "return table.sort(setmetatable({}, { __len = function() return 1 << 30 end }))", "plain table expected" },
    { "return table.move({}, 1, 1e9, 2)", "more than 100000 elements" },
    { "return table.move({}, math.mininteger, math.maxinteger, 2)", "more than 100000 elements" },
    { "return utf8.len(string.rep('x', 1048576) .. 'x')", "bad argument #1 to 'len'" },
    { "return os.date(string.rep('%c', 1000))", "bad argument #1 to 'date'" },
    { "return ('x').rep.x", "attempt to index" },
  }
  for _, case in ipairs(bounded) do
    it("bounds " .. case[1], function()
      -- not as a tail call, which would leave no place to name
      local ok, message = run((case[1]:gsub("^return ", "local _ = ")))
      assert.is_false(ok)
      assert.truthy(message:find(case[2], 1, true), message)
      assert.truthy(message:find("unit.lua:1:", 1, true), message)
    end)
  end

  -- source, value: bounded functions do what the library's do
  local same = {
    { "return string.rep('ab', 3, '-')", "ab-ab-ab" },
    { "return string.rep('ab', -1)", "" },
    { "return string.rep('ab', '2')", "abab" },
    { "return string.upper('aé')", ("aé"):upper() },
    { "return string.format('%05.1f|%s|%d', 3.14159, nil, 7)", "003.1|nil|7" },
    { "return table.concat({ 1, 2, 3 }, ',')", "1,2,3" },
    { "local t = { 3, 1, 2 } table.sort(t) return table.concat(t)", "123" },
    { "local t = { 1, 2 } table.insert(t, 1, 0) table.insert(t, 3) return table.concat(t)", "0123" },
    { "local t = { 1, 2, 3 } return table.remove(t, 1) + table.remove(t)", 4 },
    { "return table.concat(table.move({ 1, 2, 3 }, 2, 3, 1))", "233" },
    { "return select('#', table.unpack({ 1, nil, 3 }, 1, 3))", 3 },
    { "return utf8.len('aé')", 2 },
    { "return os.time()", 1700000000 },
    { "return os.date('!%Y-%m-%d')", "2023-11-14" },
    { "return select(2, pcall(error, 'x'))", "x" },
    { "return select(2, xpcall(error, function(m) return m .. '!' end, 'x'))", "x!" },
    { "local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end) return co(1) * 10 + co(3)", 26 },
    { "return type(math.random())", "number" },
    { "return select('#', pcall(function(...) return ... end, 1, nil, nil))", 4 },
    { "local ok, m = pcall(coroutine.wrap(function() error('x', 0) end)) return m", "x" },
    { "local co = coroutine.create(function() error({ 7 }) end) return select(2, coroutine.resume(co))[1]", 7 },
    { "local function f(n) local ok, m = pcall(f, n + 1) return ok and m or n end return f(1)", 100 },
    { "return select(2, xpcall(error, function() error('again', 0) end))", "again" },
    { "return select('#', xpcall(function(...) return ... end, print, 1, nil))", 3 },
  }
  for _, case in ipairs(same) do
    it("computes " .. case[1], function()
      assert.equal(case[2], value(case[1]))
    end)
  end

  it("charges for work that C does in one instruction", function()
    value "return string.rep('x', 160000)"
    assert.equal(10000, core.charged)
    value "local t = {} for i = 1, 100 do t[i] = i end table.sort(t)"
    assert.equal(10800, core.charged)
    value "return coroutine.wrap(function() end)()"
    assert.equal(11800, core.charged)
  end)

  it("logs by level, formats only what has arguments", function()
    value "log.info('100%'); log.warn('%d of %s', 3, 'x'); print('a', 1, nil)"
    assert.same({
      { level = "info", group = "SCRIPT", text = "100%" },
      { level = "warn", group = "SCRIPT", text = "3 of x" },
      { level = "info", group = "SCRIPT", text = "a 1 nil" },
    }, core.logged)
  end)
end)
