-- Humidity sensors (IPSO object 3304), relative humidity in percent.
return protocol {
  object = 3304,
  resources = {
    [5700] = {
      observe = { pmin = 30, pmax = 600 },
      measurement = { type = "c8y_HumidityMeasurement", series = "c8y_HumidityMeasurement.h", unit = "%RH" },
    },
  },
}
