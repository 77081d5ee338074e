// Compiled by against_prototype.py beside the prototype's headers: dumps its head, its poses and its
// reference pictures into files, or renders frames as it is told on its standard input.
#include <unistd.h>

#include <chrono>
#include <string>

#include "ref.h"
#include "fast.h"

static const int kPoses = 100;

template <class T>
static void put(const std::string& name, const T* values, size_t count) {
  FILE* file = fopen(name.c_str(), "wb");
  if (!file || fwrite(values, sizeof(T), count, file) != count || fclose(file)) exit(1);
}

static void dump(const Scene& S, int size, char** frames) {
  const int V = Scene::V, row = Scene::VP, shapes = Scene::NB;
  std::vector<float> out;
  for (int v = 0; v < V; ++v) {
    for (int c = 0; c < 3; ++c) out.push_back(S.tmpl[c * row + v]);
  }
  put("vertices", out.data(), out.size());
  out.clear();
  for (int b = 0; b < shapes; ++b) {
    for (int v = 0; v < V; ++v) {
      for (int c = 0; c < 3; ++c) {
        out.push_back(S.basis[((size_t(v / 16) * shapes + b) * 3 + c) * 16 + v % 16]);
      }
    }
  }
  put("basis", out.data(), out.size());
  out.clear();
  for (int v = 0; v < V; ++v) {
    for (int j = 0; j < Scene::NJ; ++j) out.push_back(S.lbsw[j * row + v]);
  }
  put("weights", out.data(), out.size());
  out.clear();
  for (int i = 0; i < S.N; ++i) {
    for (int c = 0; c < 3; ++c) out.push_back(S.ml[c][i]);
    for (int c = 0; c < 4; ++c) out.push_back(S.q[c][i]);
    for (int c = 0; c < 3; ++c) out.push_back(S.sc[c][i]);
    out.push_back(S.op[i]);
    for (int c = 0; c < 3; ++c) out.push_back(S.rgb[c][i]);
  }
  put("gaussians", out.data(), out.size());
  out.clear();
  for (int k = 0; k < kPoses; ++k) {
    const Pose pose = makePose(k, size, size);
    out.insert(out.end(), pose.e, pose.e + shapes);
    for (const auto& joint : pose.J) out.insert(out.end(), joint, joint + 12);
    out.insert(out.end(), pose.R, pose.R + 9);
    out.insert(out.end(), pose.t, pose.t + 3);
    out.push_back(pose.f);
  }
  put("poses", out.data(), out.size());

  std::vector<int> faces;
  for (int t = 0; t < S.F; ++t) faces.insert(faces.end(), {S.f0[t], S.f1[t], S.f2[t]});
  put("faces", faces.data(), faces.size());
  put("triangles", &S.tri[0], size_t(S.N));
  for (; *frames; ++frames) {
    std::vector<double> picture, left;
    refRender(S, makePose(atoi(*frames), size, size), picture, left);
    put("picture" + std::string(*frames), picture.data(), picture.size());
    put("left" + std::string(*frames), left.data(), left.size());
  }
}

// GAUSSIANS SIZE dump FRAME… | GAUSSIANS SIZE THREADS STOP CUT BACK SEEN, then "FIRST COUNT" a line, or
// "-FRAME 0" for a picture of that frame in the file SEEN
int main(int count, char** arguments) {
  if (count < 4 || (count < 8 && arguments[3] != std::string("dump"))) return 2;
  const int size = atoi(arguments[2]);
  Scene* scene = makeScene(atoi(arguments[1]));
  if (arguments[3] == std::string("dump")) {
    dump(*scene, size, arguments + 4);
    return 0;
  }
  Opt options;
  options.nth = atoi(arguments[3]);
  options.TTERM = atof(arguments[4]);
  options.ACUT = atof(arguments[5]) / 255;
  options.BACK = atof(arguments[6]);
  Fast renderer(*scene, size, size, options);
  std::vector<Pose> poses;
  for (int k = 0; k < kPoses; ++k) poses.push_back(makePose(k, size, size));
  for (int first, frames; scanf("%d %d", &first, &frames) == 2;) {
    if (first < 0) {
      renderer.floatOut = true;
      renderer.frame(poses[-first]);
      renderer.floatOut = false;
      put(arguments[7], renderer.fimg, size_t(3) * size * size);
    }
    for (int k = 0; k < frames; ++k) {
      const auto start = std::chrono::steady_clock::now();
      renderer.frame(poses[(first + k) % kPoses]);
      const auto end = std::chrono::steady_clock::now();
      printf("%.9f ", std::chrono::duration<double>(end - start).count());
    }
    printf("\n");
    fflush(stdout);
  }
  _exit(0);  // its waiting threads are not worth joining
}
