--- Finds variables that outlive a call: usage: objdump -t OBJECT... | lua5.4 tools/globals.lua
--- All state hangs off a host handle, so that two hosts live in one process. Constant tables are fine: they are in
--- .rodata or .data.rel.ro. Prints `object: section name` for each variable that could change.

--- Allowed ones, as "object name" -> reason. Every entry needs one.
local ALLOWED = {}

local WRITABLE = { ".data", ".bss", ".tdata", ".tbss" }

--- .data.rel.ro and .data.rel.ro.local hold constants that the loader relocates once.
local function is_writable(section)
  if section:find("^%.data%.rel%.ro") then return false end
  if section == "*COM*" then return true end
  for _, name in ipairs(WRITABLE) do
    if section == name or section:sub(1, #name + 1) == name .. "." then return true end
  end
  return false
end

local object, objects, problems = "?", 0, 0
for line in io.lines() do
  local name = line:match("^(%S+):%s+file format")
  if name then
    object, objects = name:match("src/(.*)%.o$") or name, objects + 1
  end
  local flags, section, symbol = line:match("^%x+ (.......) (%S+)%s+%x+%s+(.+)$")
  symbol = symbol and symbol:gsub("^%.hidden ", "")
  -- gcc names static variables of functions "name.1"; AddressSanitizer adds its own.
  local plain = symbol and symbol:gsub("%.%d+$", "")
  if flags and is_writable(section) and not flags:find("d") and symbol ~= section
    and not symbol:find("^__odr_asan%.") and not symbol:find("^%.?_*L?[Aa][Ss][Aa][Nn]")
    and not ALLOWED[object .. " " .. plain] then
    problems = problems + 1
    print(("%s: variable %s in %s; make it const, or put it into the struct that owns it"):format(object, plain, section))
  end
end
if objects == 0 then
  print("no object file was given")
  os.exit(false)
end
print(("%d objects, %d problems"):format(objects, problems))
os.exit(problems == 0)
