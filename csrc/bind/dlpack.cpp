#include "bind/dlpack.h"

#include <cstddef>
#include <utility>

namespace avatar_rt::bind::dlpack {
namespace {

static_assert(sizeof(Tensor) == 48 && sizeof(ManagedTensor) == 64 && sizeof(VersionedTensor) == 80);
static_assert(offsetof(Tensor, type) == 20 && offsetof(Tensor, byte_offset) == 40);

// What a capsule points at, and what that points at.
template <class Managed>
struct Holder {
  Managed managed;
  std::shared_ptr<void> memory;
  std::vector<std::int64_t> shape, strides;
};

template <class Managed>
constexpr const char* kName = "dltensor";
template <>
constexpr const char* kName<VersionedTensor> = "dltensor_versioned";

template <class Managed>
py::capsule wrapped(Array array, Managed managed) {
  auto holder = std::make_unique<Holder<Managed>>();
  holder->memory = std::move(array.memory);
  holder->shape = std::move(array.shape);
  holder->strides.resize(holder->shape.size());
  std::int64_t stride = 1;
  for (std::size_t k = holder->shape.size(); k-- > 0;) {
    holder->strides[k] = stride;
    stride *= holder->shape[k];
  }
  holder->managed = managed;
  holder->managed.tensor = {array.data,
                            array.device,
                            static_cast<std::int32_t>(holder->shape.size()),
                            array.type,
                            holder->shape.data(),
                            holder->strides.data(),
                            0};
  holder->managed.context = holder.get();
  holder->managed.deleter = [](Managed* self) {
    delete static_cast<Holder<Managed>*>(self->context);
  };
  // a consumer renames the capsule that it takes, and calls the deleter itself
  PyObject* made = PyCapsule_New(&holder->managed, kName<Managed>, [](PyObject* object) {
    if (PyCapsule_IsValid(object, kName<Managed>) == 0) return;
    auto* mine = static_cast<Managed*>(PyCapsule_GetPointer(object, kName<Managed>));
    mine->deleter(mine);
  });
  if (made == nullptr) throw py::error_already_set();
  holder.release();
  return py::reinterpret_steal<py::capsule>(made);
}

}  // namespace

py::capsule capsule(Array array, bool versioned, bool copied) {
  if (!versioned) return wrapped(std::move(array), ManagedTensor{});
  VersionedTensor managed{};
  managed.version = {1, 0};
  managed.flags = copied ? kIsCopied : 0;
  return wrapped(std::move(array), managed);
}

}  // namespace avatar_rt::bind::dlpack
