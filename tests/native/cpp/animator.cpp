// Animator: placed Gaussians and the way back, call after call, since it keeps its memory.
#include <cmath>

#include "calls.h"
#include "core/animator.h"
#include "entries.h"
#include "guarded.h"

namespace avatar_rt::fuzz {
namespace {

struct Results {
  Guarded<float> means, covars, vertices;
  std::vector<Guarded<float>> back;  // in the order of AnimationInputGradient
};
enum { coefficients, rotations, translation, rest, barycentric, offsets, quats, scales };

// What a call leaves unwritten keeps the fill.
Results run(Animator& animator, const Call& call, unsigned char fill) {
  const auto B = static_cast<std::size_t>(call.batch), n = call.count();
  const auto V = static_cast<std::size_t>(animator.vertex_count());
  Results r{Guarded<float>(3 * n * B), Guarded<float>(6 * n * B), Guarded<float>(3 * V * B), {}};
  for (const std::size_t size :
       {call.coefficients.size(), call.rotations.size(), call.translation.size(), 3 * V,
        call.barycentric.size(), call.offsets.size(), call.quats.size(), call.scales.size()}) {
    r.back.emplace_back(size).refill(fill);
  }
  for (Guarded<float>* out : {&r.means, &r.covars, &r.vertices}) out->refill(fill);
  animator.forward(call.view(), {r.means.data(), r.covars.data(), r.vertices.data()});
  const auto to = [&](int k) { return r.back[static_cast<std::size_t>(k)].data(); };
  animator.backward(call.view(), call.gradient(),
                    {to(coefficients), to(rotations), to(translation), to(rest), to(barycentric),
                     to(offsets), to(quats), to(scales)});
  bool whole = r.means.untouched_outside() && r.covars.untouched_outside() &&
               r.vertices.untouched_outside();
  for (const Guarded<float>& out : r.back) whole = whole && out.untouched_outside();
  require(whole, "the animator wrote beside its outputs");
  return r;
}

bool same(const Guarded<float>& a, const Guarded<float>& b) {
  return same_numbers(a.data(), b.data(), a.size());
}

void require_same(const Results& a, const Results& b, const char* what) {
  require(same(a.means, b.means) && same(a.covars, b.covars) && same(a.vertices, b.vertices), what);
  for (std::size_t k = 0; k < a.back.size(); ++k) require(same(a.back[k], b.back[k]), what);
}

// Gaussians that are not finite pull at nothing: with sound ones in their places that nothing is
// asked of, all gradients are the same.
void check_broken(Animator& animator, const Call& call, const Results& found) {
  const Results sound = run(animator, call.without_broken(), 0);
  for (std::size_t k = 0; k < found.back.size(); ++k) {
    for (std::size_t i = 0; i < found.back[k].size(); ++i) {
      const float a = found.back[k][i], b = sound.back[k][i];
      require(a == b || (std::isnan(a) && std::isnan(b)), "a broken Gaussian changed a gradient");
    }
  }
  const std::size_t width[] = {3, 3, 4, 3};
  for (std::size_t i = 0; i < call.count(); ++i) {
    for (std::size_t k = 0; k < 4 && !call.finite(i); ++k) {
      for (std::size_t c = 0; c < width[k]; ++c) {
        require(found.back[barycentric + k][width[k] * i + c] == 0,
                "a broken Gaussian has a gradient");
      }
    }
  }
}

// Where a head follows its joints fully, to move it is to move all that is placed on it.
void check_translation(const Call& call, const Results& found) {
  if (call.gives_covars) return;  // what they pull at a triangle's corners cancels but for rounding
  for (std::size_t b = 0; b < static_cast<std::size_t>(call.batch); ++b) {
    double sum[3] = {}, size = 0;
    const auto add = [&](const float* row) {
      for (std::size_t c = 0; c < 3; ++c) sum[c] += row[c], size += std::abs(row[c]);
    };
    for (std::size_t i = 0; call.gives_means && i < call.count(); ++i) {
      if (call.finite(i)) add(&call.of_means[3 * (b * call.count() + i)]);
    }
    const std::size_t vertices = found.back[rest].size();
    for (std::size_t v = 0; call.gives_vertices && v < vertices; v += 3) {
      add(&call.of_vertices[b * vertices + v]);
    }
    for (std::size_t c = 0; c < 3; ++c) {
      require(std::abs(found.back[translation][3 * b + c] - sum[c]) <= 1e-3 * size + 1e-6,
              "to move the head is not to move what is on it");
    }
  }
}

void check_friendly(Animator& animator, const Call& call, const Results& found) {
  for (std::size_t i = 0; i < found.vertices.size(); ++i) {
    require(std::isfinite(found.vertices[i]), "a posed vertex is not finite");
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(call.batch) * call.count(); ++i) {
    bool finite = true;
    for (std::size_t c = 0; c < 3; ++c) finite = finite && std::isfinite(found.means[3 * i + c]);
    for (std::size_t c = 0; c < 6; ++c) finite = finite && std::isfinite(found.covars[6 * i + c]);
    require(finite || !call.finite(i % call.count()), "a sound Gaussian was placed nowhere");
  }
  for (const Guarded<float>& out : found.back) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      require(std::isfinite(out[i]), "a gradient of a friendly call is not finite");
    }
  }
  check_translation(call, found);
  // what is not given counts as zeros
  Call explicit_zeros = call;
  explicit_zeros.give_zeros(static_cast<std::size_t>(animator.vertex_count()));
  const Results zeros = run(animator, explicit_zeros, 0);
  for (std::size_t k = 0; k < found.back.size(); ++k) {
    for (std::size_t i = 0; i < found.back[k].size(); ++i) {
      require(found.back[k][i] == zeros.back[k][i], "no gradient is not a gradient of zeros");
    }
  }
}

}  // namespace

void fuzz_animator(Source& source) {
  const Manner manner = source.chance(0.5) ? Manner::friendly : Manner::any;
  const MadeHead head = make_head(source, manner);
  Animator one(head.head(), 1), more(head.head(), source.integer(2, 5));
  for (int k = head.count() > 2'000 ? 1 : source.integer(1, 3); k > 0; --k) {
    const bool friendly = manner == Manner::friendly && source.chance(0.7);
    const Call call = make_call(source, head, friendly);
    const Results a = run(one, call, 0), b = run(more, call, 0xff);
    require_same(a, b, "the animator depends on threads, or did not write all");
    for (std::size_t i = 0; i < call.count(); ++i) {
      require(a.back[barycentric][3 * i] == 0, "the first weight has a gradient");
    }
    if (!call.all_finite()) check_broken(one, call, a);
    if (friendly) check_friendly(more, call, a);
    if (k > 1) continue;
    Animator fresh(head.head(), 1);
    require_same(run(fresh, call, 0), a, "the animator remembers an earlier call");
  }
}

}  // namespace avatar_rt::fuzz
