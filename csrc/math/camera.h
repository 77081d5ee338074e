// A camera's numbers as the stages use them.
#pragma once

namespace avatar_rt {

struct Lens {
  float fx, fy, cx, cy;            // pixels; pixel centres at half integers
  float left, right, top, bottom;  // slopes x/z, y/z beyond which the Jacobian is frozen
};

struct Rigid {          // world → camera
  float rotation[9];    // row-major
  float translation[3];
};

}  // namespace avatar_rt
