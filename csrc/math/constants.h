// The numbers of the splatting rules (docs: 3D Gaussian Splatting, Kerbl et al. 2023), kept once.
#pragma once

namespace avatar_rt {

// alpha is clamped here; gsplat clamps at 0.999, and comparisons with it are built so
#if !defined(AVATAR_RT_ALPHA_MAX)
#define AVATAR_RT_ALPHA_MAX 0.99
#endif
inline constexpr float kAlphaMax = static_cast<float>(AVATAR_RT_ALPHA_MAX);
static_assert(kAlphaMax > 0.5f && kAlphaMax < 1.0f, "AVATAR_RT_ALPHA_MAX lies between 0.5 and 1");
inline constexpr float kAlphaMin = 1.0f / 255.0f;      // weaker contributions are skipped
inline constexpr float kTransmittanceMin = 1e-4f;      // blending stops before going below this
inline constexpr float kLowPass = 0.3f;                // px² added to the diagonal of a 2D covariance
inline constexpr float kNearPlane = 0.01f;             // metres; nothing nearer is drawn
inline constexpr float kFrustumMargin = 0.3f;          // share of the half view beyond its edge at
                                                       // which the projection's slope is frozen
inline constexpr float kHarmonic0 = 0.28209479177387814f;  // spherical harmonic of degree 0
inline constexpr int kMaxChannels = 32;
inline constexpr float kTinySquare = 1e-30f;           // of a length: one over it stays finite

}  // namespace avatar_rt
