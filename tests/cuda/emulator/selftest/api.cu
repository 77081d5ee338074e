// The runtime's calls: captures and graphs, streams, events, memory, and failures made to order.
#include <cstring>

#include "check.h"
#include "scenarios.h"

namespace {

__global__ void add(int* values, int amount) { values[threadIdx.x] += amount; }

struct Stream {
  cudaStream_t handle = nullptr;
  Stream() { CHECK(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking) == cudaSuccess); }
  ~Stream() { cudaStreamDestroy(handle); }
  operator cudaStream_t() const { return handle; }
};

void graphs() {
  Array<int> values(32);
  CHECK(cudaMemset(values, 0, values.bytes()) == cudaSuccess);
  Stream stream;
  int amount = 3;
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  CHECK(launch(add, 1, 32, stream, values, amount) == cudaSuccess);
  amount = 1000;  // the launch has its copy
  CHECK(cudaMemsetAsync(values, 0, 4, stream) == cudaSuccess);
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  CHECK(values.read()[1] == 0);
  std::size_t count = 0;
  CHECK(cudaGraphGetNodes(graph, nullptr, &count) == cudaSuccess && count == 2);
  cudaGraphNode_t nodes[2];
  cudaGraphNodeType type;
  CHECK(cudaGraphGetNodes(graph, nodes, &count) == cudaSuccess);
  CHECK(cudaGraphNodeGetType(nodes[1], &type) == cudaSuccess && type == cudaGraphNodeTypeMemset);
  CHECK(cudaGraphInstantiate(&exec, graph, 0) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);
  for (int i = 0; i < 3; ++i) CHECK(cudaGraphLaunch(exec, stream) == cudaSuccess);
  CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
  CHECK(values.read()[1] == 9 && values.read()[0] == 0);
  CHECK(cudaGraphExecDestroy(exec) == cudaSuccess);
}

void refusals() {
  Array<int> values(32);
  int* more = nullptr;
  cudaGraph_t graph;
  const auto captured = [&](cudaStreamCaptureMode mode, auto call) {
    Stream stream;
    CHECK(cudaStreamBeginCapture(stream, mode) == cudaSuccess);
    const cudaError_t error = call(stream);
    const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
    CHECK((error == cudaSuccess) == (ended == cudaSuccess));
    CHECK(ended == cudaSuccess || ended == cudaErrorStreamCaptureInvalidated);
    if (ended == cudaSuccess) cudaGraphDestroy(graph);
    return error;
  };
  const auto local = cudaStreamCaptureModeThreadLocal;
  const auto wait = [](cudaStream_t stream) { return cudaStreamSynchronize(stream); };
  CHECK(captured(local, wait) == cudaErrorStreamCaptureUnsupported);
  const auto allocate = [&](cudaStream_t) { return cudaMalloc(&more, 4); };
  CHECK(captured(local, allocate) == cudaErrorStreamCaptureUnsupported);
  CHECK(captured(cudaStreamCaptureModeGlobal, allocate) == cudaErrorStreamCaptureUnsupported);
  CHECK(captured(cudaStreamCaptureModeRelaxed, allocate) == cudaSuccess);
  const auto release = [&](cudaStream_t) { return cudaFree(more); };
  CHECK(captured(local, release) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaFree(more) == cudaSuccess);
  const auto copy = [&](cudaStream_t) {
    int out;
    return cudaMemcpy(&out, values, 4, cudaMemcpyDeviceToHost);
  };
  CHECK(captured(local, copy) == cudaErrorStreamCaptureUnsupported);
  const auto all = [](cudaStream_t) { return cudaDeviceSynchronize(); };
  CHECK(captured(local, all) == cudaErrorStreamCaptureUnsupported);
  const auto nothing = [](cudaStream_t) { return cudaSuccess; };
  CHECK(captured(local, nothing) == cudaSuccess);
  CHECK(cudaGetLastError() == cudaErrorStreamCaptureInvalidated);
  CHECK(cudaGetLastError() == cudaSuccess);
}

// A second stream that is drawn into a capture by an event, and comes back by another.
void forks() {
  Array<int> values(32);
  cudaMemset(values, 0, values.bytes());
  Stream first, second;
  cudaEvent_t begun, done;
  cudaEventCreateWithFlags(&begun, cudaEventDisableTiming);
  cudaEventCreateWithFlags(&done, cudaEventDisableTiming);
  cudaGraph_t graph;
  for (const bool joined : {true, false}) {
    CHECK(cudaStreamBeginCapture(first, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    CHECK(cudaEventRecord(begun, first) == cudaSuccess);
    CHECK(cudaStreamWaitEvent(second, begun) == cudaSuccess);
    CHECK(launch(add, 1, 32, second, values, 2) == cudaSuccess);
    if (joined) {
      CHECK(cudaEventRecord(done, second) == cudaSuccess);
      CHECK(cudaStreamWaitEvent(first, done) == cudaSuccess);
    }
    const cudaError_t ended = cudaStreamEndCapture(first, &graph);
    CHECK(ended == (joined ? cudaSuccess : cudaErrorStreamCaptureUnjoined));
    if (!joined) continue;
    cudaGraphExec_t exec;
    CHECK(cudaGraphInstantiate(&exec, graph) == cudaSuccess);
    CHECK(cudaGraphLaunch(exec, first) == cudaSuccess);
    CHECK(cudaStreamSynchronize(first) == cudaSuccess);
    CHECK(values.read()[7] == 2);
    cudaGraphExecDestroy(exec);
    cudaGraphDestroy(graph);
  }
  cudaEventDestroy(begun);
  cudaEventDestroy(done);
}

void shapes() {
  Array<int> values(32);
  const cudaError_t wrong = cudaErrorInvalidConfiguration;
  CHECK(launch(add, 0, 32, nullptr, values, 1) == wrong);
  CHECK(launch(add, 1, 0, nullptr, values, 1) == wrong);
  CHECK(launch(add, 1, 1025, nullptr, values, 1) == wrong);
  CHECK(launch(add, 1, dim3(32, 33), nullptr, values, 1) == wrong);
  CHECK(launch(add, 0x80000000u, 32, nullptr, values, 1) == wrong);
  CHECK(launch(add, dim3(1, 65536), 32, nullptr, values, 1) == wrong);
  CHECK(cudaGetLastError() == wrong && cudaPeekAtLastError() == cudaSuccess);
}

void memory() {
  setenv("AVATAR_RT_EMULATED_MEMORY", "1048576", 1);
  std::size_t free = 0, total = 0;
  CHECK(cudaMemGetInfo(&free, &total) == cudaSuccess && free == 1048576 && total == free);
  char *first = nullptr, *second = nullptr;
  CHECK(cudaMalloc(&first, 1000000) == cudaSuccess);
  CHECK(cudaMalloc(&second, 100000) == cudaErrorMemoryAllocation && second == nullptr);
  CHECK(std::strcmp(cudaGetErrorName(cudaGetLastError()), "cudaErrorMemoryAllocation") == 0);
  char byte = 0;
  CHECK(cudaMemcpy(&byte, first + 999999, 1, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(static_cast<unsigned char>(byte) == 0xcb);
  CHECK(cudaMemcpy(&byte, first + 1000000, 1, cudaMemcpyDeviceToHost) != cudaSuccess);
  CHECK(cudaMemcpy(first, &byte, 1, cudaMemcpyDeviceToHost) == cudaErrorInvalidMemcpyDirection);
  CHECK(cudaMemset(first + 1, 0, 1000000) == cudaErrorInvalidValue);
  CHECK(cudaFree(first + 1) == cudaErrorInvalidValue);
  CHECK(cudaFreeHost(first) == cudaErrorInvalidValue);
  CHECK(cudaFree(first) == cudaSuccess && cudaFree(nullptr) == cudaSuccess);
  CHECK(cudaMalloc(&second, 100000) == cudaSuccess && cudaFree(second) == cudaSuccess);
  unsetenv("AVATAR_RT_EMULATED_MEMORY");
}

void failures() {
  int count = 7, version = 0;
  setenv("AVATAR_RT_EMULATED_DEVICES", "0", 1);
  CHECK(cudaGetDeviceCount(&count) == cudaErrorNoDevice && count == 0);
  unsetenv("AVATAR_RT_EMULATED_DEVICES");
  setenv("AVATAR_RT_EMULATED_DRIVER", "old", 1);
  CHECK(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver);
  CHECK(cudaDriverGetVersion(&version) == cudaSuccess && version == 11040);
  unsetenv("AVATAR_RT_EMULATED_DRIVER");
  CHECK(cudaGetDeviceCount(&count) == cudaSuccess && count == 1);
  cudaDeviceProp properties;
  CHECK(cudaGetDeviceProperties(&properties, 0) == cudaSuccess);
  CHECK(std::strcmp(properties.name, "emulated") == 0 && properties.major == 9);
  CHECK(cudaSetDevice(1) == cudaErrorInvalidDevice);

  Array<int> values(32);
  setenv("AVATAR_RT_EMULATED_FAIL_AFTER", "2", 1);
  CHECK(launch(add, 1, 32, nullptr, values, 1) == cudaSuccess);
  CHECK(launch(add, 1, 32, nullptr, values, 1) == cudaSuccess);
  CHECK(launch(add, 1, 32, nullptr, values, 1) == cudaErrorIllegalAddress);
  CHECK(cudaFree(values) == cudaErrorIllegalAddress);
  CHECK(cudaGetLastError() == cudaErrorIllegalAddress);
  CHECK(cudaGetLastError() == cudaErrorIllegalAddress);
  CHECK(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
  unsetenv("AVATAR_RT_EMULATED_FAIL_AFTER");
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
}

// Work that is done late shows who forgot to wait.
void late() {
  setenv("AVATAR_RT_EMULATED_LATE", "1", 1);
  int* pinned = nullptr;
  CHECK(cudaMallocHost(&pinned, 4) == cudaSuccess);
  Array<int> values(32);
  Stream stream, other;
  cudaEvent_t event;
  cudaEventCreate(&event);
  *pinned = 5;
  cudaMemsetAsync(values, 0, values.bytes(), stream);
  launch(add, 1, 32, stream, values, 1);
  cudaEventRecord(event, stream);
  cudaStreamWaitEvent(other, event);
  cudaMemcpyAsync(pinned, values, 4, cudaMemcpyDeviceToHost, other);
  CHECK(*pinned == 5);
  CHECK(cudaEventQuery(event) == cudaErrorNotReady);
  CHECK(cudaStreamSynchronize(other) == cudaSuccess);
  CHECK(*pinned == 1);
  CHECK(cudaEventQuery(event) == cudaSuccess);
  cudaEventDestroy(event);
  cudaFreeHost(pinned);
  unsetenv("AVATAR_RT_EMULATED_LATE");
}

}  // namespace

const std::vector<Scenario> api_scenarios = {
    {"graphs", graphs}, {"refusals", refusals}, {"forks", forks},       {"shapes", shapes},
    {"memory", memory}, {"failures", failures}, {"late", late},
};
