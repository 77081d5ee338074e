// Colour by direction: real spherical harmonics to degree 3, in the order and with the signs of 3DGS.
#pragma once

#include "math/constants.h"
#include "math/rig.h"

namespace avatar_rt::AVATAR_RT_ISA {

// The first `count` (1, 4, 9 or 16) basis functions at the unit direction d.
template <class R>
AVATAR_RT_INLINE void sh_basis(Vec3<R> d, int count, R (&out)[16]) {
  const R x = d.x, y = d.y, z = d.z;
  out[0] = R{} + kHarmonic0;
  if (count < 4) return;
  out[1] = -0.4886025119029199f * y;
  out[2] = 0.4886025119029199f * z;
  out[3] = -0.4886025119029199f * x;
  if (count < 9) return;
  const R xx = x * x, yy = y * y, zz = z * z;
  out[4] = 1.0925484305920792f * (x * y);
  out[5] = -1.0925484305920792f * (y * z);
  out[6] = 0.31539156525252005f * (2.0f * zz - xx - yy);
  out[7] = -1.0925484305920792f * (x * z);
  out[8] = 0.5462742152960396f * (xx - yy);
  if (count < 16) return;
  out[9] = -0.5900435899266435f * (y * (3.0f * xx - yy));
  out[10] = 2.890611442640554f * (x * y * z);
  out[11] = -0.4570457994644658f * (y * (4.0f * zz - xx - yy));
  out[12] = 0.3731763325901154f * (z * (2.0f * zz - 3.0f * xx - 3.0f * yy));
  out[13] = -0.4570457994644658f * (x * (4.0f * zz - xx - yy));
  out[14] = 1.445305721320277f * (z * (xx - yy));
  out[15] = -0.5900435899266435f * (x * (xx - 3.0f * yy));
}

}  // namespace avatar_rt::AVATAR_RT_ISA
