-- `./dev check lua`. The globals of scripts/ are the script API, and this is its complete list: a name that is missing
-- here is a name that scripts must not use.
std = "lua54"
max_line_length = 130
codes = true
self = false -- methods of tables of functions often do not need their object

local api = {
  "protocol", "hooks", "decoder", "command", -- what a unit declares
  "gt", "lt", "eq", "ge", "le", "ne", "ref", -- validation rules
  "log", "sleep", "script",
}

files["scripts"] = { read_globals = api }
files["examples/**/scripts"] = { read_globals = api }
files["spec"] = { std = "+busted" }
files["rockspec"] = { std = "+rockspec" }
files[".luacheckrc"] = { std = "+luacheckrc" }
