--- `moonwire serve`: the host, until it is told to stop.
local Config = require "moonwire.cli.config"
local Log = require "moonwire.cli.log"

local DEFAULT_CONFIG = "moonwire.lua"
local INFO_LEVELS = { info = true, debug = true, trace = true } -- those that show lines of level info

local Serve = {
  name = "serve",
  usage = "[--config FILE] [options]",
  summary = "Run the server",
  about = [[
Reads moonwire.lua in the working directory if there is one; options win over the file.
Listens on loopback unless told otherwise. SIGTERM or Ctrl-C ends it, SIGHUP reloads the scripts.]],
  options = {
    { name = "config", value = "FILE", help = "configuration file", default = DEFAULT_CONFIG },
    { name = "listen", value = "ADDRESS", list = true, help = "listen here; may be repeated",
      default = "127.0.0.1:5783 and [::1]:5783" },
    { name = "store", value = "FILE", help = "file of the store", default = "moonwire.db" },
    { name = "scripts", value = "FOLDER", help = "scripts", default = "scripts, else the shipped ones" },
    { name = "ddf", value = "FOLDER", help = "object definitions", default = "ddf, else the shipped ones" },
    { name = "lenient", help = "start even if some scripts fail" },
    { name = "log-level", value = "LEVEL", help = "error, warn, info, debug, trace", default = "info" },
  },
}

--- What `serve` would run with: the file, then the options, then the defaults.
---@param options table
---@param app table
---@return table? config  for core.host
---@return string? err
function Serve.config(options, app)
  local path = options.config or (app.kind(DEFAULT_CONFIG) == "file" and DEFAULT_CONFIG)
  local config = {}
  if path then
    local loaded, err = Config.load(path, nil, app.kind(path))
    if not loaded then return nil, err end
    config = loaded
  end
  for _, option in ipairs(Serve.options) do
    local key = option.name:gsub("-", "_")
    if options[option.name] ~= nil and Config.keys[key] then
      local good, why = Config.check(key, options[option.name])
      if good == nil then return nil, why end
      config[key] = good
    end
  end
  for _, folder in ipairs { "scripts", "ddf" } do
    config[folder] = config[folder] or (app.kind(folder) == "folder" and folder) or (app.share .. "/" .. folder)
  end
  config.lua_dir = app.share .. "/lua"
  config.log_level = config.log_level or "info"
  return config
end

--- For host:reload: what happened, as log lines.
local function report_reload(log)
  return function(file, line, reason, ok)
    if not file then
      log(ok and "info" or "error", "RELOAD", "scripts: " .. reason)
    elseif not ok then
      log("error", "RELOAD", (line > 0 and ("%s:%d: %s"):format(file, line, reason)) or ("%s: %s"):format(file, reason))
    end
  end
end

function Serve.run(options, app)
  local core = require "moonwire.core"
  local config, err = Serve.config(options, app)
  if not config then return nil, err end
  config.log = Log.to_stderr(app.terminal() ~= nil)
  local host
  host, err = core.host(config)
  if not host then return nil, err end
  if INFO_LEVELS[config.log_level] then config.log("info", "HOST", "ready") end
  while true do
    local signal, why = app.run(host)
    if signal == nil then
      io.stderr:write("moonwire: ", why, "\n") -- a callback failed; the host itself is well
    elseif signal == "HUP" then
      local ok, message = host:reload(nil, report_reload(config.log))
      if not ok then config.log("error", "RELOAD", "scripts were not read: " .. message) end
    else
      break
    end
  end
  host:close()
  return true
end

return Serve
