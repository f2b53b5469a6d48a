--- Log lines on standard error: time, level, group, text. One place decides how they look.
local Log = {}

local COLOURS = { error = "\27[31m", warn = "\27[33m", debug = "\27[2m", trace = "\27[2m" }

--- A sink for `core.host { log = ... }`.
---@param colours boolean  the reader is a terminal
---@return fun(level: string, group: string, text: string)
function Log.to_stderr(colours)
  return function(level, group, text)
    local line = ("%s %-5s %-6s %s"):format(os.date("%H:%M:%S"), level, group:lower(), text)
    local colour = colours and COLOURS[level]
    if colour then line = colour .. line .. "\27[0m" end
    io.stderr:write(line, "\n")
  end
end

return Log
