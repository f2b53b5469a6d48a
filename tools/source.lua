--- Reading source files, for the checks in tools/.
local Source = {}

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- All files under `root` whose names end in one of the extensions, relative to `root`, sorted.
---@param root string
---@param where string       folder below root
---@param extensions string[] e.g. { "c", "h" }
function Source.files(root, where, extensions)
  local names = {}
  for i, ext in ipairs(extensions) do names[i] = "-name " .. quote("*." .. ext) end
  local pipe = assert(io.popen(("cd %s && find %s -type f \\( %s \\) 2>/dev/null | LC_ALL=C sort"):format(
    quote(root), quote(where), table.concat(names, " -o "))))
  local found = {}
  for line in pipe:lines() do found[#found + 1] = line end
  pipe:close()
  return found
end

function Source.read(path)
  local file, err = io.open(path, "rb")
  if not file then return nil, err end
  local text = file:read("a")
  file:close()
  return text
end

local function blank(text)
  return (text:gsub("[^\n]", " "))
end

--- The C text with comments, and with what stands inside of string and character literals, replaced by blanks; line
--- numbers stay. #include lines keep their names.
function Source.strip_c(text)
  local out, at = {}, 1
  while at <= #text do
    local start, _, mark = text:find("([/\"'#])", at)
    if not start then break end
    out[#out + 1] = text:sub(at, start - 1)
    local stop
    if mark == "/" and text:sub(start, start + 1) == "/*" then
      _, stop = text:find("*/", start + 2, true)
      stop = stop or #text
      out[#out + 1] = blank(text:sub(start, stop))
    elseif mark == "/" and text:sub(start, start + 1) == "//" then
      stop = (text:find("\n", start, true) or #text + 1) - 1
      out[#out + 1] = blank(text:sub(start, stop))
    elseif mark == "#" and text:find("^#%s*include[^\n]*", start) then
      _, stop = text:find("^#%s*include%s*[<\"][^>\"\n]*[>\"]?", start)
      stop = stop or start
      out[#out + 1] = text:sub(start, stop)
    elseif mark == '"' or mark == "'" then
      stop = start + 1
      while stop <= #text and text:sub(stop, stop) ~= mark and text:sub(stop, stop) ~= "\n" do
        stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
      end
      out[#out + 1] = mark .. blank(text:sub(start + 1, stop - 1)) .. text:sub(stop, stop)
    else
      stop = start
      out[#out + 1] = mark
    end
    at = stop + 1
  end
  out[#out + 1] = text:sub(at)
  return table.concat(out)
end

--- Iterates over the lines of a text: number, line.
function Source.lines(text)
  local number = 0
  local next_line = (text:sub(-1) == "\n" and text or text .. "\n"):gmatch("([^\n]*)\n")
  return function()
    number = number + 1
    local line = next_line()
    if line then return number, line end
  end
end

return Source
