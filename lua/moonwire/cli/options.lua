--- Command line options from a declaration, and the help text from the same. Pure, no I/O.
---
---   { name = "store", value = "FILE", help = "..." }   --store FILE, --store=FILE -> result.store = "FILE"
---   { name = "json", help = "..." }                    --json -> result.json = true
---   type = "integer" converts, list = true collects, default = shown in the help only
local Suggest = require "moonwire.suggest"

local Options = {}

local function find(declared, name)
  for _, option in ipairs(declared) do
    if option.name == name then return option end
  end
end

local function names(declared)
  local list = {}
  for i, option in ipairs(declared) do list[i] = "--" .. option.name end
  return list
end

local function convert(option, text)
  if option.type ~= "integer" then return text end
  local n = text:match("^%d+$") and math.tointeger(tonumber(text))
  if not n then return nil, ("--%s wants a whole number, not \"%s\""):format(option.name, text) end
  return n
end

local function store(result, option, value)
  if not option.list then
    result[option.name] = value
    return
  end
  result[option.name] = result[option.name] or {}
  table.insert(result[option.name], value)
end

--- Parses arguments from index `first` on.
---@param declared table[]   see above
---@param args string[]
---@param first integer
---@return table? result   options by name; positional arguments in the array part
---@return string? err
function Options.parse(declared, args, first)
  local result, i, only_words = {}, first, false
  while i <= #args do
    local word = args[i]
    local name, inline = word:match("^%-%-([%w_-]+)=?(.*)$")
    local has_inline = name and word:find("=", 1, true)
    if word == "--" and not only_words then
      only_words = true
    elseif not only_words and (word == "--help" or word == "-h") then
      result.help = true
    elseif not only_words and name then
      local option = find(declared, name)
      if not option then
        return nil, ("unknown option --%s%s"):format(name, Suggest.hint("--" .. name, names(declared)))
      end
      if not option.value then
        if has_inline then return nil, ("--%s takes no value"):format(name) end
        store(result, option, true)
      else
        local text = inline
        if not has_inline then i = i + 1; text = args[i] end
        if not text then return nil, ("--%s wants a value: --%s %s"):format(name, name, option.value) end
        local value, err = convert(option, text)
        if value == nil then return nil, err end
        store(result, option, value)
      end
    elseif not only_words and word:match("^%-.") then
      return nil, ("unknown option %s: options are written --name"):format(word)
    else
      result[#result + 1] = word
    end
    i = i + 1
  end
  return result
end

--- The help text of a command.
---@param command table  name, usage, summary, about (optional), options
---@return string
function Options.help(command)
  local lines = { ("usage: moonwire %s %s"):format(command.name, command.usage), "", command.summary .. "." }
  if command.about then
    lines[#lines + 1] = ""
    lines[#lines + 1] = command.about
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "Options:"
  for _, option in ipairs(command.options) do
    local left = "--" .. option.name .. (option.value and (" " .. option.value) or "")
    local default = option.default and (" [%s]"):format(option.default) or ""
    lines[#lines + 1] = ("  %-24s %s%s"):format(left, option.help, default)
  end
  lines[#lines + 1] = ("  %-24s %s"):format("--help", "this text")
  return table.concat(lines, "\n") .. "\n"
end

return Options
