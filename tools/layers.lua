--- Checks the architecture by the #include lines of src/: usage: lua5.4 tools/layers.lua [root]
--- One folder of src/ is one layer and includes only itself and layers before it. Each library has its own few layers,
--- so that it can be exchanged there. Prints `file:line: what is wrong and what would be right`.
package.path = (arg and arg[0] or "tools/x"):gsub("[^/]*$", "") .. "?.lua;" .. package.path
local Source = require("source")

local LAYERS = { "base", "codec", "model", "net", "coap", "lwm2m", "store", "host", "script", "app" }

--- Folders beside the line: what they may include, and who may include them.
local SIDE = {
  sim = { may = { base = true, codec = true }, by = { script = true, app = true } },
}

--- The one installed header: the vocabulary that embedders and all layers share. It stands alone.
local PUBLIC = "moonwire.h"

--- Library headers (Lua patterns over the whole name) and the layers that may include them.
local LIBRARIES = {
  { "^lua%.h$", "script app" }, { "^lauxlib%.h$", "script app" }, { "^lualib%.h$", "script app" },
  { "^coap%d*/", "coap sim" }, { "^openssl/", "net" }, { "^expat.*%.h$", "model" }, { "^csv%.h$", "model" },
  { "^sqlite3.*%.h$", "store" }, { "^uv%.h$", "net store host" }, { "^uv/", "net store host" },
}

--- Calls into Lua run scripts; they stay where errors are caught and budgets are kept.
local CALLS = { lua_call = true, lua_callk = true, lua_pcall = true, lua_pcallk = true }
local CALLS_IN = { script = true, app = true }

local rank = {}
for i, name in ipairs(LAYERS) do rank[name] = i end

--- nil if `layer` may include `target` ("layer/name.h"), else what is wrong.
local function judge_layer(layer, target)
  local other = target:match("^([^/]+)/")
  if SIDE[layer] then
    if other == layer or SIDE[layer].may[other] then return nil end
  elseif SIDE[other] then
    if SIDE[other].by[layer] then return nil end
  elseif rank[other] <= rank[layer] then
    return nil
  end
  return ("layer %s must not include %s; it may include only layers before it: move what it needs there, or call "
    .. "through a function table"):format(layer, target)
end

local function judge_include(layer, name)
  if name == PUBLIC then return nil end
  local folder = name:match("^([^/]+)/")
  if rank[folder] or SIDE[folder] then return judge_layer(layer, name) end
  for _, library in ipairs(LIBRARIES) do
    if name:match(library[1]) then
      for allowed in library[2]:gmatch("%S+") do
        if allowed == layer then return nil end
      end
      return ("layer %s must not include <%s>; only %s may"):format(layer, name, library[2]:gsub(" ", ", "))
    end
  end
end

local function check_file(root, path, report)
  local layer = path:match("^src/([^/]+)/")
  local text = Source.strip_c(assert(Source.read(root .. "/" .. path)))
  if not layer then
    if path ~= "src/" .. PUBLIC then return report(path, 1, "belongs into the folder of a layer") end
  elseif not rank[layer] and not SIDE[layer] then
    return report(path, 1, ("folder %s is no layer; add it to tools/layers.lua and CMakeLists.txt"):format(layer))
  end
  for number, line in Source.lines(text) do
    local open, name = line:match('^%s*#%s*include%s*([<"])([^>"]+)[>"]')
    if name and not layer then
      if open == '"' then report(path, number, "the installed header includes no header of ours") end
    elseif name then
      local wrong = judge_include(layer, name)
      if not wrong and open == '"' and name ~= PUBLIC and not name:find("/", 1, true) then
        wrong = ('write "%s/%s": every header of ours is named with its layer'):format(layer, name)
      end
      if wrong then report(path, number, wrong) end
    end
    if not CALLS_IN[layer] then
      for token in line:gmatch("[%a_][%w_]*") do
        if CALLS[token] then report(path, number, token .. " only in src/script and src/app") end
      end
    end
  end
end

local root = arg[1] or "."
local files, problems = Source.files(root, "src", { "c", "h" }), 0
for _, path in ipairs(files) do
  check_file(root, path, function(where, line, what)
    problems = problems + 1
    print(("%s:%d: %s"):format(where, line, what))
  end)
end
if #files == 0 then
  print("src: no C file found below " .. root)
  os.exit(false)
end
print(("%d files, %d problems"):format(#files, problems))
os.exit(problems == 0)
