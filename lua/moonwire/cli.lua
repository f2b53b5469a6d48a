--- The `moonwire` command: finds the subcommand, gives it its options, turns its failure into a message and a status.
---
--- Exit status: 0 = done, 1 = failed or problems found, 2 = wrong use, 70 = a defect of ours.
local Options = require "moonwire.cli.options"
local Suggest = require "moonwire.suggest"

local Cli = {}

local STATUS_OK, STATUS_FAILED, STATUS_USAGE, STATUS_DEFECT = 0, 1, 2, 70

-- One file each under lua/moonwire/cli/commands; the order is that of the help.
local COMMANDS = { "demo", "serve", "check", "devices", "measurements", "events", "alarms", "sim" }

---@class moonwire.cli.Command
---@field name string
---@field usage string     what stands behind the name
---@field words integer?  how many words it takes beside its options; none if not given
---@field summary string   one line, without a full stop
---@field about string?
---@field options table[]  see cli/options.lua
---@field run fun(options: table, app: table): integer|boolean|nil, string?  status; or nil and a message

---@param name string
---@return moonwire.cli.Command
local function command(name) return require("moonwire.cli.commands." .. name) end

local function overview()
  local lines = {
    "moonwire: a LwM2M server that operators script in Lua",
    "",
    "usage: moonwire COMMAND [options]",
    "",
  }
  for _, name in ipairs(COMMANDS) do
    lines[#lines + 1] = ("  %-14s %s"):format(name, command(name).summary)
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "`moonwire COMMAND --help` tells more. `moonwire --version` prints the version."
  return table.concat(lines, "\n") .. "\n"
end

local function complain(message) io.stderr:write("moonwire: ", message, "\n") end

local function known(name)
  for _, candidate in ipairs(COMMANDS) do
    if candidate == name then return true end
  end
  return false
end

local function run(cmd, options, app)
  local ok, status, message = xpcall(cmd.run, debug.traceback, options, app)
  if not ok then
    complain(tostring(status) .. "\nThis is a defect of Moonwire: please report it with the text above.")
    return STATUS_DEFECT
  end
  if status == nil or status == false then
    complain(message or "failed")
    return STATUS_FAILED
  end
  return status == true and STATUS_OK or status
end

--- Runs the command line.
---@param args string[]  without the program's name
---@param app table      from src/app/main.c: run, pending_signal, terminal, temporary_folder, remove_folder, kind, share
---@return integer status
function Cli.main(args, app)
  local name = args[1]
  if not name or name == "--help" or name == "-h" or name == "help" then
    io.stdout:write(overview())
    return name and STATUS_OK or STATUS_USAGE
  end
  if name == "--version" then
    print("moonwire " .. require("moonwire.core").version)
    return STATUS_OK
  end
  if not known(name) then
    complain(("no command %s%s; `moonwire --help` lists them"):format(name, Suggest.hint(name, COMMANDS)))
    return STATUS_USAGE
  end
  local cmd = command(name)
  local options, err = Options.parse(cmd.options, args, 2)
  if not options then
    complain(("%s; see `moonwire %s --help`"):format(err, name))
    return STATUS_USAGE
  end
  if options.help then
    io.stdout:write(Options.help(cmd))
    return STATUS_OK
  end
  local surplus = options[(cmd.words or 0) + 1]
  if surplus then
    complain(("%s does not take %q; see `moonwire %s --help`"):format(name, surplus, name))
    return STATUS_USAGE
  end
  io.stdout:setvbuf("line")
  return run(cmd, options, app)
end

return Cli
