// Every list of scenarios, one a file.
#pragma once

#include <vector>

#include "check.h"

extern const std::vector<Scenario> sound_scenarios;
