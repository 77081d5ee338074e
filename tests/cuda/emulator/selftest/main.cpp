// emulator_selftest [NAME…]: runs these scenarios; without names it lists them.
#include <cstring>

#include "scenarios.h"

int main(int count, char** arguments) {
  for (const auto& list : {api_scenarios, sound_scenarios, race_scenarios, faulty_scenarios}) {
    for (const Scenario& scenario : list) {
      if (count == 1) std::puts(scenario.name);
      for (int i = 1; i < count; ++i) {
        if (std::strcmp(arguments[i], scenario.name) == 0) scenario.run();
      }
    }
  }
}
