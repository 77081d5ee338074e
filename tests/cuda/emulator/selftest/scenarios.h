// Every list of scenarios, one a file.
#pragma once

#include <vector>

#include "check.h"

extern const std::vector<Scenario> api_scenarios, faulty_scenarios, race_scenarios, sound_scenarios;
