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

local function check_list(value)
  if type(value) == "string" then return { value } end
  if type(value) ~= "table" then return nil end
  for k, item in pairs(value) do
    if math.type(k) ~= "integer" or type(item) ~= "string" then return nil end
  end
  return value
end

local WANTS = { string = "a string", integer = "a whole number, 1 or above", boolean = "true or false",
  list = "a string or a list of strings" }

--- Checks one value; gives what is to be used, or nil and a reason.
---@param name string
---@param value any
function Config.check(name, value)
  local key = Config.keys[name]
  if not key then return nil, ("unknown key %s%s"):format(name, Suggest.hint(name, Config.names())) end
  local good = value
  if key.type == "integer" then
    -- No number has a use for 0, and the C interface takes it for "default": 0 seconds would become 93.
    if value == 0 then return nil, ("%s must not be 0: leave it out for its default, or give 1 or more"):format(name) end
    good = math.type(value) == "integer" and value >= 1 and value <= 4294967295 and value or nil
  elseif key.type == "list" then
    good = check_list(value)
  elseif type(value) ~= key.type then
    good = nil
  end
  if good == nil then
    return nil, ("%s must be %s, not %s"):format(name, WANTS[key.type],
      type(value) == "string" and ("%q"):format(value) or tostring(value))
  end
  if name == "log_level" and not LOG_LEVELS[good] then
    return nil, ("log_level must be error, warn, info, debug or trace, not %q"):format(good)
  end
  return good
end

--- Reads and checks a file.
---@param path string
---@param source string?  its text, if the caller has it
---@return table? config
---@return string? err    "file:line: reason", one line per problem
function Config.load(path, source)
  if not source then
    local file, err = io.open(path, "rb")
    if not file then return nil, ("cannot read the configuration: %s"):format(err) end
    source = file:read("a")
    file:close()
  end
  local chunk, err = load(source, "@" .. path, "t", {}) -- text only, and nothing to call: it is data
  if not chunk then return nil, err end
  local ok, result = pcall(chunk)
  if not ok then return nil, tostring(result) end
  if type(result) ~= "table" then return nil, ("%s:1: must end with: return { ... }"):format(path) end
  local config, problems = {}, {}
  for name, value in pairs(result) do
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
