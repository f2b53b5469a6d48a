--- `moonwire check`: the operator's files, before a host ever sees them. The same code as at a reload.
local Config = require "moonwire.cli.config"
local Json = require "moonwire.json"

local Check = {
  name = "check",
  words = math.huge,
  usage = "[FOLDER or FILE ...] [--json]",
  summary = "Check scripts, object definitions and the configuration",
  about = [[
A folder with *.xml files is checked as object definitions, any other folder as scripts, a *.xml file as a definition,
any other file as a configuration. Scripts depend on each other, so they are checked by the folder only.
Without arguments: scripts, ddf and moonwire.lua of the working directory, those that are there.
Status 1 when something would be refused; warnings alone give 0.]],
  options = {
    { name = "json", help = "one JSON object per problem and line" },
    { name = "quiet", help = "only problems" },
  },
}

local function problem_of(path, reason) return { { file = path, reason = reason, fatal = true } } end

local function check_definitions(folder, result)
  if result.files + result.failed == 0 and #result.problems == 0 then
    return problem_of(folder, "no object definitions here: files like 3303.xml are expected"), ""
  end
  return result.problems, ("%d definition files, %d objects, %d resources"):format(result.files, result.objects,
    result.items)
end

local function check_scripts(folder, app, is_named)
  local problems, n = {}, 0
  local rc, err = require("moonwire.core").check_scripts(app.share .. "/lua", folder, function(file, line, reason, ok)
    if not file then return end
    n = n + 1
    if not ok then
      problems[#problems + 1] = { file = folder:gsub("/$", "") .. "/" .. file, line = line > 0 and line or nil,
        reason = reason, fatal = true }
    end
  end)
  if not rc and #problems == 0 then return problem_of(folder, err), "" end
  if n == 0 and is_named then
    return problem_of(folder, "nothing to check here: scripts (*.lua, below protocols/ or hooks/) or object definitions "
      .. "(*.xml) are expected"), ""
  end
  return problems, ("%d script files"):format(n)
end

local function check_folder(folder, app, is_named)
  local result, err = require("moonwire.core").check_ddf(folder)
  -- An empty folder of that name is meant for definitions as well.
  local is_definitions = folder:match("ddf/?$") or folder:match("oma%-registry/?$")
    or result and (result.files > 0 or result.failed > 0)
  if not is_definitions then return check_scripts(folder, app, is_named) end
  if not result then return problem_of(folder, err), "" end
  return check_definitions(folder, result)
end

--- One file of definitions: those of its folder are read, as a server would, and the others' problems left out.
local function check_definition(path)
  local folder, name = path:match("^(.*)/([^/]*)$")
  local result, err = require("moonwire.core").check_ddf(folder or ".")
  if not result then return problem_of(path, err), "" end
  local problems = {}
  for _, problem in ipairs(result.problems) do
    if problem.file:match("[^/]*$") == (name or path) then problems[#problems + 1] = problem end
  end
  return problems, "object definition"
end

local function is_script(path)
  if path:match("%f[^/\0]protocols/[^/]+%.lua$") or path:match("%f[^/\0]hooks/[^/]+%.lua$")
    or path:match("%f[^/\0]lib/[^/]+%.lua$") then
    return true
  end
  local file = io.open(path, "rb")
  local text = file and file:read(65536) or ""
  if file then file:close() end
  text = "\n" .. text
  return text:find "\n%s*return%s+protocol%f[^%w_]" or text:find "\n%s*return%s+hooks%f[^%w_]"
end

local function check_config(path)
  local config, err = Config.load(path)
  if config then return {}, "configuration" end
  local problems = {}
  for line in err:gmatch("[^\n]+") do
    local file, number, reason = line:match("^(.-):(%d+): (.*)$")
    problems[#problems + 1] = { file = file or path, line = math.tointeger(tonumber(number)), reason = reason or line,
      fatal = true }
  end
  return problems, "configuration"
end

local function check_file(path)
  if path:match("%.xml$") then return check_definition(path) end
  if is_script(path) then
    return problem_of(path, "this is a script: name the folder that holds protocols/, hooks/ and lib/, for example "
      .. "moonwire check scripts"), ""
  end
  return check_config(path)
end

local function check_one(path, app, is_named)
  local kind = app.kind(path)
  if not kind then return problem_of(path, "no such file or folder"), "" end
  if kind == "folder" then return check_folder(path, app, is_named) end
  if kind == "file" then return check_file(path) end
  return problem_of(path, "neither a file nor a folder"), ""
end

local function print_problem(problem, json)
  if json then
    print((assert(Json.encode(problem))))
    return
  end
  local where = problem.line and ("%s:%d"):format(problem.file, problem.line) or problem.file
  print(("%s: %s%s"):format(where, problem.fatal and "" or "warning: ", problem.reason))
end

function Check.run(options, app)
  local targets = { table.unpack(options) }
  local is_named = #targets > 0
  if not is_named then
    for _, name in ipairs { "moonwire.lua", "scripts", "ddf" } do
      if app.kind(name) then targets[#targets + 1] = name end
    end
  end
  if #targets == 0 then return nil, "nothing to check here: name a folder, e.g. moonwire check scripts/" end
  local n_fatal = 0
  for _, target in ipairs(targets) do
    local problems, summary = check_one(target, app, is_named)
    local fatal = 0
    for _, problem in ipairs(problems) do
      print_problem(problem, options.json)
      if problem.fatal then fatal = fatal + 1 end
    end
    n_fatal = n_fatal + fatal
    if fatal == 0 and not options.quiet and not options.json then print(("ok %s (%s)"):format(target, summary)) end
  end
  return n_fatal == 0 and 0 or 1
end

return Check
