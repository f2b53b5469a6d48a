--- `moonwire check`: the operator's files, before a host ever sees them. The same code as at a reload.
local Config = require "moonwire.cli.config"
local Json = require "moonwire.json"

local Check = {
  name = "check",
  usage = "[FOLDER or FILE ...] [--json]",
  summary = "Check scripts, object definitions and the configuration",
  about = [[
A folder with *.xml files is checked as object definitions, any other folder as scripts, a file as a configuration.
Without arguments: scripts, ddf and moonwire.lua of the working directory, those that are there.
Status 1 when something would be refused; warnings alone give 0.]],
  options = {
    { name = "json", help = "one JSON object per problem and line" },
    { name = "quiet", help = "only problems" },
  },
}

local function is_definitions(folder)
  local pipe = folder:match("ddf/?$") or folder:match("oma%-registry/?$")
  if pipe then return true end
  local core = require "moonwire.core"
  local result = core.check_ddf(folder)
  return result ~= nil and result.files > 0
end

local function check_definitions(folder)
  local result, err = require("moonwire.core").check_ddf(folder)
  if not result then return { { file = folder, reason = err, fatal = true } }, "" end
  return result.problems, ("%d definition files, %d objects, %d resources"):format(result.files, result.objects, result.items)
end

local function check_scripts(folder, app)
  local problems, n = {}, 0
  local rc, err = require("moonwire.core").check_scripts(app.share .. "/lua", folder, function(file, line, reason, ok)
    if not file then return end
    n = n + 1
    if not ok then
      problems[#problems + 1] = { file = folder:gsub("/$", "") .. "/" .. file, line = line > 0 and line or nil,
        reason = reason, fatal = true }
    end
  end)
  if not rc and #problems == 0 then problems[1] = { file = folder, reason = err, fatal = true } end
  return problems, ("%d script files"):format(n)
end

local function check_config(path)
  local config, err = Config.load(path)
  if config then return {}, "configuration" end
  local problems = {}
  for line in err:gmatch("[^\n]+") do
    local file, number, reason = line:match("^(.-):(%d+): (.*)$")
    problems[#problems + 1] = { file = file or path, line = math.tointeger(tonumber(number)), reason = reason or line, fatal = true }
  end
  return problems, "configuration"
end

local function check_one(path, app)
  local kind = app.kind(path)
  if not kind then return { { file = path, reason = "no such file or folder", fatal = true } }, "" end
  if kind == "file" then return check_config(path) end
  if is_definitions(path) then return check_definitions(path) end
  return check_scripts(path, app)
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
  if #targets == 0 then
    for _, name in ipairs { "moonwire.lua", "scripts", "ddf" } do
      if app.kind(name) then targets[#targets + 1] = name end
    end
  end
  if #targets == 0 then return nil, "nothing to check here: name a folder, e.g. moonwire check scripts/" end
  local n_fatal = 0
  for _, target in ipairs(targets) do
    local problems, summary = check_one(target, app)
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
