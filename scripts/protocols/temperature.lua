-- Temperature sensors (IPSO object 3303).
--
-- Every value of "Sensor Value" becomes a measurement, and an alarm while it is above LIMIT. The observation starts when a
-- device registers: at least 10 s between two values, at most 300 s (simulated devices send as often as they like). Save
-- the file to change any of this; it takes effect at once, for all devices.
local LIMIT = 60

return protocol {
  object = 3303,
  resources = {
    [5700] = {
      observe = { pmin = 10, pmax = 300 },
      measurement = { type = "c8y_Temperature", series = "c8y_Temperature.T", unit = "Cel" },
      alarm = {
        type = "c8y_HighTemperature",
        severity = "MAJOR",
        text = "Too warm",
        when = function(v) return v > LIMIT end, -- no longer true: the alarm is cleared
      },
    },
  },
  selftest = function(t) -- runs before the file is taken; a failure keeps the old one
    t.equal(true, t.alarm(5700, LIMIT + 1))
    t.equal(false, t.alarm(5700, LIMIT))
  end,
}
