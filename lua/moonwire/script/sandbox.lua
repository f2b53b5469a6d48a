--- What a unit can see: copies of harmless library functions, and nothing else. Built once per Lua state; each unit gets
--- an environment of its own on top of it.
---
--- C functions that work through a string or a table are not interrupted by the instruction budget. So they are bounded
--- here, and charged for their work:
---
---   string.find match gmatch gsub   subject up to 64 KiB, pattern up to 512 bytes, steps counted
---   string.rep and others           up to 1 MiB; string.format: format up to 4 KiB
---   table.*                         plain tables up to 100,000 elements
---
--- Finalizers (__gc) are refused, as no budget reaches them. There is no load, no io, no debug, no collectgarbage.
local Suggest = require "moonwire.suggest"

local Sandbox = {}

local SUBJECT_MAX = 64 * 1024
local PATTERN_MAX = 512
local STRING_MAX = 1024 * 1024
local FORMAT_MAX = 4096
local TABLE_MAX = 100000
local COROUTINE_COST = 1000 -- a new coroutine starts a new count of its own, so it is paid for in advance
local BYTES_PER_INSTRUCTION = 16
local PCALL_DEPTH = 100

-- Held here: the fields of the real libraries, and of the metatable of strings, may be replaced later.
local byte, char, format, lower, rep, reverse, sub, upper =
  string.byte, string.char, string.format, string.lower, string.rep, string.reverse, string.sub, string.upper
local concat, insert, move, pack, remove, sort, unpack =
  table.concat, table.insert, table.move, table.pack, table.remove, table.sort, table.unpack

local function type_error(n, name, wanted, v, level)
  error(format("bad argument #%d to '%s' (%s expected, got %s)", n, name, wanted, v == nil and "no value" or type(v)),
    level + 1)
end

--- Argument n as a string of at most `max` bytes.
local function text(v, n, name, max)
  if type(v) == "number" then v = tostring(v) end
  if type(v) ~= "string" then type_error(n, name, "string", v, 3) end
  if #v > max then
    error(format("bad argument #%d to '%s' (%d bytes; %d are allowed in scripts)", n, name, #v, max), 3)
  end
  return v
end

--- Argument n as a table without surprises: no metatable may turn a length or an element into a long walk.
local function plain_table(v, n, name, max)
  if type(v) ~= "table" then type_error(n, name, "table", v, 3) end
  if getmetatable(v) ~= nil then error(format("bad argument #%d to '%s' (plain table expected)", n, name), 3) end
  if rawlen(v) > (max or TABLE_MAX) then
    error(format("bad argument #%d to '%s' (%d elements; %d are allowed)", n, name, rawlen(v), TABLE_MAX), 3)
  end
  return v
end

--- A view that can be read and listed, but not written. `pairs` hands no table out but the view.
---@param t table
---@param name string  for the message
---@return table
function Sandbox.frozen(t, name)
  return setmetatable({}, {
    __index = t,
    __newindex = function(_, key)
      error(format("%s is read-only: cannot set %s.%s", name, name, tostring(key)), 2)
    end,
    __pairs = function(view)
      return function(_, key)
        return next(t, key)
      end, view, nil
    end,
    __metatable = "locked",
  })
end

--- string.*, bounded. Also what the methods of strings are, once Sandbox.lock_strings has run.
local function bounded_string(core)
  local find, match, gmatch, gsub = core.find, core.match, core.gmatch, core.gsub
  local charge = core.charge

  local function whole(fn, name)
    return function(s, ...)
      s = text(s, 1, name, STRING_MAX)
      charge(#s // BYTES_PER_INSTRUCTION)
      return fn(s, ...)
    end
  end

  local function matching(fn, name)
    return function(s, pattern, ...)
      return fn(text(s, 1, name, SUBJECT_MAX), text(pattern, 2, name, PATTERN_MAX), ...)
    end
  end

  return {
    byte = byte,
    char = char,
    find = matching(find, "find"),
    format = function(fmt, ...)
      return format(text(fmt, 1, "format", FORMAT_MAX), ...)
    end,
    gmatch = matching(gmatch, "gmatch"),
    gsub = matching(gsub, "gsub"),
    len = string.len,
    lower = whole(lower, "lower"),
    match = matching(match, "match"),
    pack = function(fmt, ...)
      return string.pack(text(fmt, 1, "pack", PATTERN_MAX), ...)
    end,
    packsize = function(fmt)
      return string.packsize(text(fmt, 1, "packsize", PATTERN_MAX))
    end,
    rep = function(s, n, separator)
      s = text(s, 1, "rep", STRING_MAX)
      n = math.tointeger(tonumber(n)) or type_error(2, "rep", "integer", n, 2)
      local each = #s + #text(separator or "", 3, "rep", STRING_MAX)
      if n > STRING_MAX or each * n > STRING_MAX then
        error(format("string.rep: the result would have %.0f bytes; %d are allowed in scripts", each * 1.0 * n,
          STRING_MAX), 2)
      end
      charge(math.max(each * n, 0) // BYTES_PER_INSTRUCTION)
      return rep(s, n, separator)
    end,
    reverse = whole(reverse, "reverse"),
    sub = sub,
    unpack = function(fmt, ...)
      return string.unpack(text(fmt, 1, "unpack", PATTERN_MAX), ...)
    end,
    upper = whole(upper, "upper"),
  }
end

local function bounded_table(core)
  local charge = core.charge
  return {
    concat = function(t, separator, first, last)
      plain_table(t, 1, "concat")
      text(separator or "", 2, "concat", STRING_MAX)
      charge(rawlen(t))
      return concat(t, separator, first, last)
    end,
    insert = function(t, ...)
      plain_table(t, 1, "insert")
      if select("#", ...) > 1 then charge(rawlen(t) // 4) end
      return insert(t, ...)
    end,
    move = function(from, first, last, at, to)
      plain_table(from, 1, "move")
      if to ~= nil then plain_table(to, 5, "move") end
      if type(first) ~= "number" or type(last) ~= "number" then type_error(2, "move", "number", first, 2) end
      if last + 0.0 - first >= TABLE_MAX then error(format("table.move: more than %d elements", TABLE_MAX), 2) end
      charge(math.max(last - first, 0) // 1)
      return move(from, first, last, at, to or from)
    end,
    pack = pack,
    remove = function(t, ...)
      local at_end = select("#", ...) == 0
      plain_table(t, 1, "remove", at_end and math.huge)
      if not at_end then charge(rawlen(t) // 4) end
      return remove(t, ...)
    end,
    sort = function(t, less)
      plain_table(t, 1, "sort")
      charge(rawlen(t) * 8)
      return sort(t, less)
    end,
    unpack = function(t, first, last)
      if type(t) ~= "table" then type_error(1, "unpack", "table", t, 2) end
      local n = (tonumber(last) or rawlen(t)) - (tonumber(first) or 1) + 1.0 -- beyond a million Lua refuses it
      charge(n > 0 and n <= STRING_MAX and math.ceil(n) or 0)
      return unpack(t, first, last)
    end,
  }
end

local function bounded_coroutine(core)
  local charge, check, in_task = core.charge, core.check, core.in_task
  local create, resume, yield, status, close =
    coroutine.create, coroutine.resume, coroutine.yield, coroutine.status, coroutine.close

  local function rethrow(ok, ...)
    if ok then return ... end
    check()
    error((...), 0)
  end

  -- An error from the hook that ends the budget must be caught inside the coroutine: outside, its <close> variables would
  -- be closed with hooks switched off.
  local function guarded(fn)
    if type(fn) ~= "function" then error("a coroutine needs a function", 3) end
    charge(COROUTINE_COST)
    return function(...)
      return rethrow(pcall(fn, ...))
    end
  end

  -- No `running`: the coroutine of a hook belongs to the host.
  return {
    close = function(co)
      return check(close(co))
    end,
    create = function(fn)
      return create(guarded(fn))
    end,
    resume = function(co, ...)
      return check(resume(co, ...))
    end,
    status = status,
    wrap = function(fn)
      local co = create(guarded(fn)) -- not coroutine.wrap: that puts our place before the message
      return function(...)
        return rethrow(check(resume(co, ...)))
      end
    end,
    yield = function(...)
      if in_task() then error("coroutine.yield: there is no coroutine here; to wait, call sleep(seconds)", 2) end
      return yield(...)
    end,
  }
end

--- pcall and xpcall that pass the end of the budget on. In a coroutine Lua nests them as deep as its stack allows, and
--- unwinding a hundred thousand of them takes minutes that no hook can end: so they nest 100 deep. A handler of xpcall
--- runs after the fact: called from inside the hook that ends the budget, it would run without hooks, that is, for ever.
local function bounded_pcall(core)
  local check, running = core.check, coroutine.running
  local depths = setmetatable({}, { __mode = "k" })

  local function leave(co, ...)
    depths[co] = depths[co] - 1
    return check(...)
  end

  local function safe_pcall(fn, ...)
    local co = running()
    local depth = depths[co] or 0
    if depth >= PCALL_DEPTH then error(format("pcall is nested more than %d deep", PCALL_DEPTH), 2) end
    depths[co] = depth + 1
    return leave(co, pcall(fn, ...))
  end

  local function handle(handler, ok, ...)
    if ok then return ok, ... end
    return false, select(2, safe_pcall(handler, ...))
  end

  local function safe_xpcall(fn, handler, ...)
    return handle(handler, safe_pcall(fn, ...))
  end

  return safe_pcall, safe_xpcall
end

local function copy(t, ...)
  local out = {}
  for _, key in ipairs { ... } do
    out[key] = t[key]
  end
  return out
end

local function bounded_utf8(core)
  local function whole(name)
    local fn = utf8[name]
    return function(s, ...)
      s = text(s, 1, name, STRING_MAX)
      core.charge(#s // BYTES_PER_INSTRUCTION)
      return fn(s, ...)
    end
  end
  return {
    char = utf8.char,
    charpattern = utf8.charpattern,
    codepoint = whole "codepoint",
    codes = whole "codes",
    len = whole "len",
    offset = whole "offset",
  }
end

local function copied_os(core)
  return {
    date = function(fmt, time)
      return os.date(text(fmt or "%c", 1, "date", PATTERN_MAX), time or core.now() // 1000)
    end,
    difftime = os.difftime,
    time = function(t)
      return t == nil and core.now() // 1000 or os.time(t)
    end,
  }
end

local function log_api(core)
  local api = {}
  for _, level in ipairs { "error", "warn", "info", "debug" } do
    api[level] = function(fmt, ...)
      if not core.log_on(level) then return end
      local message = select("#", ...) > 0 and format(text(fmt, 1, level, FORMAT_MAX), ...) or tostring(fmt)
      core.log(level, "SCRIPT", message)
    end
  end
  return api
end

--- Everything that all units share. `core`: see moonwire.script.
---@param core table
---@return table base       names of the API; raises on unknown ones
---@return table strings    for Sandbox.lock_strings
function Sandbox.base(core)
  local safe_pcall, safe_xpcall = bounded_pcall(core)
  local strings = bounded_string(core)
  local log = log_api(core)
  local base = {
    _VERSION = _VERSION,
    assert = assert,
    error = error,
    getmetatable = getmetatable,
    ipairs = ipairs,
    next = next,
    pairs = pairs,
    pcall = safe_pcall,
    print = function(...)
      local words = pack(...)
      for i = 1, words.n do
        words[i] = tostring(words[i])
      end
      log.info(concat(words, " "))
    end,
    rawequal = rawequal,
    rawget = rawget,
    rawlen = rawlen,
    select = select,
    setmetatable = function(t, mt)
      if type(t) ~= "table" then type_error(1, "setmetatable", "table", t, 2) end
      if type(mt) == "table" and rawget(mt, "__gc") ~= nil then
        error("__gc is not allowed in scripts: no budget reaches a finalizer; use a <close> variable", 2)
      end
      return setmetatable(t, mt)
    end,
    tonumber = tonumber,
    tostring = tostring,
    type = type,
    xpcall = safe_xpcall,
    coroutine = Sandbox.frozen(bounded_coroutine(core), "coroutine"),
    log = Sandbox.frozen(log, "log"),
    math = Sandbox.frozen(copy(math, "abs", "acos", "asin", "atan", "ceil", "cos", "deg", "exp", "floor", "fmod", "huge",
      "log", "max", "maxinteger", "min", "mininteger", "modf", "pi", "rad", "random", "sin", "sqrt", "tan", "tointeger",
      "type", "ult"), "math"),
    os = Sandbox.frozen(copied_os(core), "os"),
    sleep = core.sleep,
    string = Sandbox.frozen(strings, "string"),
    table = Sandbox.frozen(bounded_table(core), "table"),
    utf8 = Sandbox.frozen(bounded_utf8(core), "utf8"),
  }
  return base, strings
end

--- An environment for one unit. Globals that the unit sets are its own; names that nobody defined are errors.
---@param base table  of Sandbox.base
---@param own table   further names for this unit, as script and protocol
---@return table env
---@return fun() seal  from here on new globals are errors: hooks keep what lasts in script.state
function Sandbox.env(base, own)
  local names = {}
  for name in pairs(base) do
    names[#names + 1] = name
  end
  for name in pairs(own) do
    names[#names + 1] = name
  end
  table.sort(names)
  local function unknown(_, name)
    error(format("unknown name %q%s", tostring(name), Suggest.hint(name, names)), 2)
  end
  local api = {}
  for name, value in pairs(base) do
    api[name] = value
  end
  for name, value in pairs(own) do
    api[name] = value
  end
  local mt = { __index = setmetatable(api, { __index = unknown }), __metatable = "locked" }
  local env = setmetatable({}, mt)
  return env, function()
    mt.__newindex = function(_, name)
      error(format("cannot make the global %q in a running unit: write local, or keep it in script.state",
        tostring(name)), 2)
    end
  end
end

--- Makes ("x"):rep the bounded one too, and hides the metatable of strings. Changes the whole Lua state: only for a state
--- that is ours. The methods are a table of their own, which nothing else refers to: our own code uses them as well, and
--- must not depend on what `string` shows to units.
---@param strings table
function Sandbox.lock_strings(strings)
  local methods = {}
  for name, fn in next, strings do
    methods[name] = fn
  end
  local mt = getmetatable("")
  mt.__index = methods
  mt.__metatable = "locked"
end

return Sandbox
