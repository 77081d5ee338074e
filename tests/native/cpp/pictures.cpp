// native_pictures: the pictures of friendly scenes and heads into a file, and two such files held
// against each other, so that processors and instruction sets can be compared.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/renderer.h"
#include "cpu/register.h"
#include "head.h"
#include "scene.h"

namespace {

using namespace avatar_rt;

constexpr int kScenes = 40, kHeads = 20;

using Picture = std::vector<float>;

Picture of_scene(std::uint64_t seed) {
  fuzz::Source source(seed);
  const fuzz::Scene s = fuzz::make_scene(source, fuzz::Manner::friendly);
  Picture image(s.pixels() * static_cast<std::size_t>(s.channels)), alpha(s.pixels());
  rasterize(s.view(), s.camera, nullptr, Quality::exact, 2, image.data(), alpha.data());
  image.insert(image.end(), alpha.begin(), alpha.end());
  return image;
}

Picture of_head(std::uint64_t seed) {
  fuzz::Source source(seed);
  fuzz::MadeHead head;
  do {
    head = fuzz::make_head(source, fuzz::Manner::friendly);
  } while (head.sh_count > 1);  // whose colours have no bounds to measure decibels by
  const fuzz::MadePose pose = fuzz::make_pose(source, head, false);
  CameraView camera = fuzz::make_camera(source, false);
  camera.width = 96;
  camera.height = 80;
  Picture rgba(static_cast<std::size_t>(4 * camera.width * camera.height));
  const float black[3] = {};
  StageTimes times;
  head.avatar(2)->render(pose.view(), camera, black, PixelFormat::float32, Quality::exact,
                         rgba.data(), times);
  return rgba;
}

void write_pictures(const char* path) {
  set_backend(cpu::backend());
  std::FILE* file = std::fopen(path, "wb");
  if (file == nullptr) throw std::runtime_error(std::string("cannot write ") + path);
  const auto put = [&](const Picture& picture) {
    const auto size = static_cast<std::uint32_t>(picture.size());
    std::fwrite(&size, sizeof size, 1, file);
    std::fwrite(picture.data(), sizeof(float), picture.size(), file);
  };
  for (int k = 0; k < kScenes; ++k) put(of_scene(static_cast<std::uint64_t>(k)));
  for (int k = 0; k < kHeads; ++k) put(of_head(static_cast<std::uint64_t>(k)));
  if (std::fclose(file) != 0) throw std::runtime_error(std::string("cannot write ") + path);
  std::printf("%s: %d pictures\n", backend().stages->isa, kScenes + kHeads);
}

std::vector<Picture> read_pictures(const char* path) {
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr) throw std::runtime_error(std::string("cannot read ") + path);
  std::vector<Picture> pictures;
  std::uint32_t size;
  while (std::fread(&size, sizeof size, 1, file) == 1) {
    Picture picture(size);
    if (std::fread(picture.data(), sizeof(float), size, file) != size) break;
    pictures.push_back(std::move(picture));
  }
  std::fclose(file);
  if (pictures.size() != kScenes + kHeads) {
    throw std::runtime_error(std::string(path) + " is not a file of native_pictures");
  }
  return pictures;
}

int compare(const char* one, const char* two, double least) {
  const auto a = read_pictures(one), b = read_pictures(two);
  double worst = 200;
  std::size_t drawn = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    if (a[k].size() != b[k].size()) throw std::runtime_error("pictures of different sizes");
    double error = 0;
    bool any = false;
    for (std::size_t i = 0; i < a[k].size(); ++i) {
      const double d = double{a[k][i]} - b[k][i];
      error += d * d;
      any = any || a[k][i] != 0;
    }
    drawn += any;
    error /= static_cast<double>(a[k].size());
    worst = std::min(worst, error < 1e-20 ? 200 : -10 * std::log10(error));
  }
  const auto name = [](const char* path) {
    const char* slash = std::strrchr(path, '/');
    return slash == nullptr ? path : slash + 1;
  };
  std::printf("%s and %s: at least %.1f dB over %zu pictures, %zu of them not empty\n", name(one),
              name(two), worst, a.size(), drawn);
  return worst >= least ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    if (count == 3 && std::strcmp(arguments[1], "write") == 0) {
      write_pictures(arguments[2]);
      return 0;
    }
    if (count == 5 && std::strcmp(arguments[1], "compare") == 0) {
      return compare(arguments[2], arguments[3], std::atof(arguments[4]));
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "native_pictures: %s\n", error.what());
    return 1;
  }
  std::fprintf(stderr,
               "usage: native_pictures write FILE\n"
               "       native_pictures compare FILE FILE DECIBELS\n");
  return 2;
}
