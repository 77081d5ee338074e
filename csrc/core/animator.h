// Animation with gradients: a head whose pose, shape and Gaussians are given anew at every call.
#pragma once

#include <cstdint>
#include <memory>

#include "core/views.h"

namespace avatar_rt {

struct AnimationView {             // B poses of one shape with one set of Gaussians
  int batch;
  const float* coefficients;       // (B, E)
  const float* joint_rotations;    // (B, J, 3) axis-angle
  const float* translation;        // (B, 3)
  const float* vertices;           // (V, 3) instead of the head's own at rest; or null
  Frame frame;
  std::int64_t count;
  const std::int32_t* triangles;   // (N,), in any order
  const float* barycentric;        // (N, 3); the first is taken to be what the others leave of one
  const float* offsets;            // (N, 3)
  const float* quats;              // (N, 4) wxyz of any length
  const float* scales;             // (N, 3)
};

struct AnimationOutput {
  float *means, *covars;           // (B, N, 3), (B, N, 6)
  float* vertices;                 // (B, V, 3) posed
};

struct AnimationGradient {         // of AnimationOutput; each may be null: zero
  const float *means, *covars, *vertices;
};

struct AnimationInputGradient {    // shaped like AnimationView's arrays
  float *coefficients, *joint_rotations, *translation, *vertices;
  float *barycentric, *offsets, *quats, *scales;
};

// Copies the head. Calls from several threads wait for each other. The results do not depend on the
// number of threads.
class Animator {
 public:
  Animator(const HeadView& head, int threads);
  ~Animator();
  Animator(const Animator&) = delete;
  Animator& operator=(const Animator&) = delete;

  void forward(const AnimationView& view, const AnimationOutput& out);
  void backward(const AnimationView& view, const AnimationGradient& gradient,
                const AnimationInputGradient& out);

  int vertex_count() const;
  int face_count() const;
  int expression_count() const;
  int joint_count() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace avatar_rt
