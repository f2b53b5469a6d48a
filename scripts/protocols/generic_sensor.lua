-- Generic sensors (IPSO object 3300): whatever has no object of its own. What the number means is the device's matter
-- (its resources 5701 "Sensor Units" and 5750 "Application Type"), so the measurement has no unit here.
return protocol {
  object = 3300,
  resources = {
    [5700] = {
      observe = { pmin = 10, pmax = 600 },
      measurement = { type = "moonwire_Sensor", series = "moonwire_Sensor.value" },
    },
  },
}
