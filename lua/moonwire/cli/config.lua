--- The configuration: one Lua file that returns a table. Every key has a default; an unknown key is an error with its
--- line and a suggestion, because a misspelt limit that is silently ignored is worse than none.
local Suggest = require "moonwire.suggest"

local Config = {}

---@class moonwire.cli.Key
---@field type string      "string", "integer", "boolean", "list" (of strings; one string will do)
---@field help string

--- Every key of the file; the options of `moonwire serve` have the same names with dashes.
---@type table<string, moonwire.cli.Key>
Config.keys = {
  listen = { type = "list", help = "addresses, e.g. { \"0.0.0.0:5783\", \"[::]:5783\" }" },
  store = { type = "string", help = "file of the store" },
  ddf = { type = "string", help = "folder of object definitions" },
  scripts = { type = "string", help = "folder of scripts" },
  lenient = { type = "boolean", help = "start without scripts that fail" },
  watch = { type = "boolean", help = "reload scripts when they change" },
  log_level = { type = "string", help = "error, warn, info, debug or trace" },
  lifetime_grace = { type = "integer", help = "seconds that a registration outlives its lifetime" },
  default_lifetime = { type = "integer", help = "seconds, for a Register without lt" },
  max_devices = { type = "integer", help = "more are refused with 5.03" },
  max_observations_per_device = { type = "integer", help = "observations of one device" },
  ack_timeout_ms = { type = "integer", help = "first retransmission, RFC 7252 ACK_TIMEOUT" },
  dedup_bytes = { type = "integer", help = "stored answers for repeated requests, about 56 bytes each" },
  commit_ms = { type = "integer", help = "longest wait of a group commit" },
  commit_rows = { type = "integer", help = "rows of a group commit" },
}

local SIZE_MAX = 1024 * 1024 -- bytes of the file
local STEPS_MAX = 100000 -- instructions: it is a table, not a program
local GROWTH_MAX = 16 * 1024 -- KiB that it may take
local LISTEN_MAX = 8 -- MW_LISTEN_MAX

local LOG_LEVELS = { error = true, warn = true, info = true, debug = true, trace = true }

function Config.names()
  local names = {}
  for name in pairs(Config.keys) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function line_of(source, key)
  local n = 0
  for line in (source .. "\n"):gmatch("(.-)\n") do
    n = n + 1
    if line:find("%f[%w_]" .. key .. "%f[^%w_]%s*%]?%s*=") then return n end
  end
end

--- A list of strings without gaps, or nil and why it is none.
local function check_list(name, value)
  if type(value) == "string" then return { value } end
  if type(value) ~= "table" then return nil end
  local n = 0
  for k, item in next, value do
    if math.type(k) ~= "integer" or type(item) ~= "string" then return nil end
    n = n + 1
  end
  if n == 0 then return nil, ("%s is an empty list: leave it out for its default"):format(name) end
  for i = 1, n do
    if value[i] == nil then return nil, ("%s has a gap: entry %d is missing"):format(name, i) end
  end
  if n > LISTEN_MAX then return nil, ("%s has %d entries; %d are allowed"):format(name, n, LISTEN_MAX) end
  return value
end

local function has_nul(value)
  if type(value) == "string" then return value:find("\0", 1, true) ~= nil end
  for _, item in ipairs(type(value) == "table" and value or {}) do
    if item:find("\0", 1, true) then return true end
  end
  return false
end

local WANTS = { string = "a string", integer = "a whole number, 1 or above", boolean = "true or false",
  list = "a string or a list of strings" }

--- Checks one value; gives what is to be used, or nil and a reason.
---@param name string
---@param value any
function Config.check(name, value)
  local key = Config.keys[name]
  if not key then return nil, ("unknown key %s%s"):format(name, Suggest.hint(name, Config.names())) end
  local good, why = value, nil
  if key.type == "integer" then
    -- No number has a use for 0, and the C interface takes it for "default": 0 seconds would become 93.
    if value == 0 then return nil, ("%s must not be 0: leave it out for its default, or give 1 or more"):format(name) end
    good = math.type(value) == "integer" and value >= 1 and value <= 4294967295 and value or nil
  elseif key.type == "list" then
    good, why = check_list(name, value)
  elseif type(value) ~= key.type then
    good = nil
  end
  if good == nil then
    return nil, why or ("%s must be %s, not %s"):format(name, WANTS[key.type],
      type(value) == "string" and ("%q"):format(value) or tostring(value))
  end
  if has_nul(good) then return nil, ("%s contains a NUL byte"):format(name) end
  if name == "log_level" and not LOG_LEVELS[good] then
    return nil, ("log_level must be error, warn, info, debug or trace, not %q"):format(good)
  end
  return good
end

local function read_file(path, kind)
  if kind and kind ~= "file" then
    return nil, ("cannot read the configuration: %s is %s, not a file"):format(path,
      kind == "folder" and "a folder" or "a pipe or a device")
  end
  local file, err = io.open(path, "rb")
  if not file then return nil, ("cannot read the configuration: %s"):format(err) end
  local source
  source, err = file:read(SIZE_MAX + 1)
  file:close()
  if not source and err then return nil, ("cannot read the configuration: %s: %s"):format(path, err) end
  if source and #source > SIZE_MAX then
    return nil, ("%s: a configuration may have %d bytes, this is more"):format(path, SIZE_MAX)
  end
  return source or ""
end

--- Runs the chunk as far as data needs: without names, without methods of strings, for a limited number of steps.
local function run(chunk)
  local strings = getmetatable("")
  local methods = strings.__index
  local steps, most = 0, collectgarbage "count" + GROWTH_MAX
  local thread = coroutine.create(chunk) -- whose hook is not ours
  debug.sethook(thread, function()
    steps = steps + 1
    if steps > STEPS_MAX or collectgarbage "count" > most then
      error("this is a program that takes too long or too much memory; a configuration is a table", 2)
    end
  end, "", 1)
  strings.__index = nil
  local ok, result = coroutine.resume(thread)
  strings.__index = methods
  return ok, result
end

--- Reads and checks a file.
---@param path string
---@param source string?  its text, if the caller has it
---@param kind string?    what is at the path, if the caller knows it: "file", "folder", "special"
---@return table? config
---@return string? err    "file:line: reason", one line per problem
function Config.load(path, source, kind)
  local err
  if not source then
    source, err = read_file(path, kind)
    if not source then return nil, err end
  end
  local chunk
  chunk, err = load(source, "@" .. path, "t", {}) -- text only
  if not chunk then return nil, err end
  local ok, result = run(chunk)
  if not ok then return nil, type(result) == "string" and result or ("%s:1: ends with an error"):format(path) end
  if type(result) ~= "table" then return nil, ("%s:1: must end with: return { ... }"):format(path) end
  local config, problems = {}, {}
  for name, value in next, result do
    local good, why = Config.check(tostring(name), value)
    if good == nil then
      problems[#problems + 1] = { line = line_of(source, tostring(name)) or 1, why = why }
    else
      config[name] = good
    end
  end
  if #problems == 0 then return config end
  table.sort(problems, function(a, b) return a.line < b.line end)
  local lines = {}
  for i, p in ipairs(problems) do lines[i] = ("%s:%d: %s"):format(path, p.line, p.why) end
  return nil, table.concat(lines, "\n")
end

return Config
