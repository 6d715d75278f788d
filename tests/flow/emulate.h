// Runs the kernels of dsnet/flow/tvl1.cu on a CPU: every thread of a cluster is a fiber. Barriers and
// shuffles wait for the other fibers. Shared memory begins as NaN, so that what nobody wrote shows.
#include <setjmp.h>
#include <ucontext.h>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>
using std::max, std::min;
#ifdef ROUGH
#define sqrtf(v) (std::sqrt(v) * (1 + 2.4e-7f))
#endif
#define EMULATED
#define DEVICE inline
#define KERNEL static void
#define SHARED float4* memory = reinterpret_cast<float4*>(shared[self->block].data())
#define threadIdx (Index{self->thread})
#define blockIdx (Index{first_block + self->block})
struct float4 { float x, y, z, w; };
struct float2 { float x, y; };
static float2 make_float2(float x, float y) { return {x, y}; }
static float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

struct Index { int x; };
struct Barrier { int wanted, here = 0, turn = 0; };
struct Fiber { ucontext_t context; jmp_buf jump; int block, thread; bool begun = false, ended = false; };
static std::vector<Fiber> fibers;
static Fiber* self;
static jmp_buf scheduler;
static std::vector<Barrier> of_warps;
static Barrier of_all;
static std::vector<std::vector<char>> shared;
static std::vector<float> lanes;
static int first_block;

// By jumps: a swap of contexts asks the kernel for the signal mask. Not inlined: only these functions'
// own frames may lie between the marks and the jumps.
__attribute__((noinline)) static void leave() {
  if (!_setjmp(self->jump)) _longjmp(scheduler, 1);
}
__attribute__((noinline)) static void enter(Fiber& fiber) {
  self = &fiber;
  if (_setjmp(scheduler)) return;
  if (fiber.begun) _longjmp(fiber.jump, 1);
  fiber.begun = true;
  setcontext(&fiber.context);
}
static void wait(Barrier& b) {
  const int turn = b.turn;
  if (++b.here == b.wanted) { b.here = 0, b.turn++; return; }
  while (b.turn == turn) leave();
}
static void barrier() { wait(of_all); }
static int cluster_rank() { return self->block; }
template <class V> static V* peer(V* own, int rank) {
  const auto offset = reinterpret_cast<char*>(own) - shared[self->block].data();
  return reinterpret_cast<V*>(shared[rank].data() + offset);
}
static float passed(float v, int from) {
  const int warp = self->block * (THREADS / 32) + self->thread / 32;
  // Two places in turn: who is at the next shuffle does not write where others still read.
  float* place = &lanes[(warp * 2 + of_warps[warp].turn % 2) * 32];
  place[self->thread % 32] = v, wait(of_warps[warp]);
  return from >= 0 && from < 32 ? place[from] : v;
}
static float lane_before(float v) { return passed(v, self->thread % 32 - 1); }
static float lane_after(float v) { return passed(v, self->thread % 32 + 1); }
static float lane_across(float v, int mask) { return passed(v, self->thread % 32 ^ mask); }

static void (*body)();
static void begin() { body(), self->ended = true, leave(); }
template <class F> static void run_cluster(int block, int bytes, F f) {
  static F* kept;
  kept = &f, body = [] { (*kept)(); };
  const int count = BLOCKS * THREADS;
  first_block = block, shared.assign(BLOCKS, std::vector<char>(bytes, char(0xff)));
  lanes.assign(2 * count, 0), of_warps.assign(count / 32, Barrier{32}), of_all = Barrier{count};
  fibers = std::vector<Fiber>(count);
  std::vector<std::vector<char>> stacks(count, std::vector<char>(32768));
  for (int i = 0; i < count; i++) {
    Fiber& fiber = fibers[i];
    fiber.block = i / THREADS, fiber.thread = i % THREADS, getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stacks[i].data(), fiber.context.uc_stack.ss_size = stacks[i].size();
    makecontext(&fiber.context, begin, 0);
  }
  for (int left = count; left;) {
    left = 0;
    for (auto& fiber : fibers)
      if (!fiber.ended) enter(fiber), left += !fiber.ended;
  }
}

// A function that runs all blocks of a kernel, one cluster after the other.
template <auto kernel> struct Launcher;
template <class... A, void (*kernel)(A...)> struct Launcher<kernel> {
  static void run(int grid, int bytes, A... a) {
    for (int block = 0; block < grid; block += BLOCKS) run_cluster(block, bytes, [&] { kernel(a...); });
  }
};
