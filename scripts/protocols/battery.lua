-- Battery of the device itself (object 3 "Device"): level in percent, with an alarm below 20.
-- A value at most every five minutes: a question about the battery should not empty it.
return protocol {
  object = 3,
  resources = {
    [9] = {
      observe = { pmin = 300, pmax = 86400 },
      measurement = { type = "c8y_Battery", series = "c8y_Battery.level", unit = "%" },
      alarm = {
        type = "c8y_LowBattery",
        severity = "MINOR",
        text = "Battery below 20 %",
        when = function(level) return level < 20 end,
      },
    },
  },
  selftest = function(t)
    t.equal(true, t.alarm(9, 19))
    t.equal(false, t.alarm(9, 20))
  end,
}
