// TV-L1, `semantics: cuda`, on a GPU, in two forms; cuda.py chooses and launches them.
//
// `whole` (-DWHOLE): all warps and iterations of one level of a pair, in one launch and without the host, by one
// block, or by a cluster of blocks (compute capability 9.0 and newer), which must hold the whole image.
// `tile`: up to HALO iterations of one tile with a halo of HALO pixels, for images of any size. The
// tiles of the next launch add up the sums of the last one and decide alike, so the host need not wait.
// `linearise` prepares what they read.
//
// Compile for BLOCKS of a cluster, THREADS of a block, ROWS and COLUMNS of a thread's pixels, and HALO.
// A thread keeps u and its dual p in registers. What an iteration only reads, (gx, gy, -1/square, rho),
// is in shared memory, where each thread reads what it wrote. Neighbours in x are neighbouring lanes;
// at the ends of a warp they pass through shared memory, as do the rows at the ends of a thread's
// pixels; between the blocks of a cluster through distributed shared memory.
//
// OpenCV asks for the sum of |du|^2 only after odd iterations for which the last sum, less the bound
// for every iteration since, is under the bound. So it is added up only where it is asked for.
//
// Outside the image u and p are zero: there, all that would change them is zero.

constexpr int C = BLOCKS, T = THREADS, RUN = ROWS, COLS = COLUMNS, WARPS = T / 32;
static_assert(T % 32 == 0, "whole warps");
enum { DONE_SWEEPS, LAST, ASKED, DONE, SIDE, CONTROL };  // of a pair, between launches of `tile`

#ifndef EMULATED
#define DEVICE __device__ __forceinline__
#if BLOCKS > 1
DEVICE int cluster_rank() { int r; asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(r)); return r; }
DEVICE void barrier() {
  __syncwarp();  // what is aligned needs whole warps
  asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}
template <class V> DEVICE V* peer(V* own, int rank) {  // the same place in another block's memory
  V* there; asm("mapa.u64 %0, %1, %2;" : "=l"(there) : "l"(own), "r"(rank)); return there;
}
#define CLUSTER __cluster_dims__(BLOCKS, 1, 1)
#else
DEVICE int cluster_rank() { return 0; }
DEVICE void barrier() { __syncthreads(); }
template <class V> DEVICE V* peer(V* own, int) { return own; }
#define CLUSTER
#endif
DEVICE float lane_before(float v) { return __shfl_up_sync(~0u, v, 1); }
DEVICE float lane_after(float v) { return __shfl_down_sync(~0u, v, 1); }
DEVICE float lane_across(float v, int mask) { return __shfl_xor_sync(~0u, v, mask); }
#define KERNEL extern "C" __global__ void CLUSTER __launch_bounds__(THREADS, 1)
#define SHARED extern __shared__ float4 memory[]
#endif

#define EACH_ROW _Pragma("unroll") for (int i = 0; i < RUN; i++)
#define EACH_COLUMN _Pragma("unroll") for (int c = 0; c < COLS; c++)

// The numbers of an iteration: lambda * theta, theta, and tau / theta.
struct Steps { float threshold, theta, rate; };

// Where the pixels of a thread lie: its block has `groups` runs of RUN rows, each of `across` threads.
struct Place {
  int thread, lane, warp, rank, across, groups, group;
  int left, top;      // first pixel of the thread in the block's part of the image
  int x, y, W, H;     // the same pixel in the image, and the size of the image
  bool used, below;   // has pixels; a row of another thread follows
  DEVICE bool inside(int i, int c) const {
    return used && (unsigned)(x + c) < (unsigned)W && (unsigned)(y + i) < (unsigned)H;
  }
  DEVICE int at(int i, int c) const { return (y + i) * W + x + c; }
};

DEVICE Place place(int across, int x, int y, int W, int H) {
  Place p;
  p.thread = threadIdx.x, p.lane = p.thread % 32, p.warp = p.thread / 32, p.rank = cluster_rank();
  p.across = across, p.groups = T / across, p.group = p.thread / across, p.used = p.group < p.groups;
  p.left = p.thread % across * COLS, p.top = (p.rank * p.groups + p.group) * RUN;
  p.x = x + p.left, p.y = y + p.top, p.W = W, p.H = H;
  p.below = p.used && (p.group < p.groups - 1 || p.rank + 1 < C);
  return p;
}

// What passes between threads, after RUN * COLS * T float4 of constants; see Form.shared in nvidia.py.
struct Exchange {
  float4* constant;
  float2 (*low)[WARPS + 1];   // [RUN]: u of the first lane of every warp
  float2 (*high)[WARPS + 1];  // [RUN]: p11, p21 of the last lane, [w + 1] of warp w
  float (*sums)[WARPS];       // [C]: of |du|^2
  float* first;               // u1 and u2 of a run's first row; of the block below after all groups
  float* last;                // p12 and p22 of a run's last row; of the block above before all groups
  int row, plane;             // floats of a row, and of all rows
};

DEVICE Exchange exchange(float4* memory, const Place& p) {
  Exchange e;
  e.constant = memory;
  e.low = reinterpret_cast<float2 (*)[WARPS + 1]>(memory + RUN * COLS * T), e.high = e.low + RUN;
  e.sums = reinterpret_cast<float (*)[WARPS]>(e.high + RUN);
  e.row = p.across * COLS, e.plane = (p.groups + 1) * e.row;
  e.first = reinterpret_cast<float*>(e.sums + C), e.last = e.first + 2 * e.plane;
  return e;
}

// The flow and its dual at the pixels of a thread.
struct State {
  float u1[RUN][COLS], u2[RUN][COLS], p11[RUN][COLS], p12[RUN][COLS], p21[RUN][COLS], p22[RUN][COLS];
};

// Pass on what the next iteration needs of p: to the right, and down.
DEVICE void publish(const State& s, const Place& p, const Exchange& e) {
  if (p.lane == 31) EACH_ROW e.high[i][p.warp + 1] = make_float2(s.p11[i][COLS - 1], s.p21[i][COLS - 1]);
  if (!p.used) return;
  const bool inner = p.group < p.groups - 1;
  if (!inner && p.rank + 1 == C) return;
  float* to = (inner ? e.last + (p.group + 1) * e.row : peer(e.last, p.rank + 1)) + p.left;
  EACH_COLUMN to[c] = s.p12[RUN - 1][c], to[e.plane + c] = s.p22[RUN - 1][c];
}

// u of the next iteration; returns the sum of |du|^2 over pixels at least `margin` from the part's edge.
DEVICE float primal(State& s, const Place& p, const Exchange& e, const Steps& n, int margin) {
  float up1[COLS], up2[COLS], change = 0;
  const float* above = e.last + p.group * e.row + p.left;
  EACH_COLUMN up1[c] = p.used ? above[c] : 0, up2[c] = p.used ? above[e.plane + c] : 0;
  EACH_ROW {
    float left1 = lane_before(s.p11[i][COLS - 1]), left2 = lane_before(s.p21[i][COLS - 1]);
    if (p.lane == 0) { const float2 v = e.high[i][p.warp]; left1 = v.x, left2 = v.y; }
    if (p.left == 0) left1 = left2 = 0;
    EACH_COLUMN {
      const float4 d = e.constant[(i * COLS + c) * T + p.thread];
      const float div1 = (s.p11[i][c] - left1) + (s.p12[i][c] - up1[c]);
      const float div2 = (s.p21[i][c] - left2) + (s.p22[i][c] - up2[c]);
      left1 = s.p11[i][c], left2 = s.p21[i][c], up1[c] = s.p12[i][c], up2[c] = s.p22[i][c];
      float step = (d.w + (d.x * s.u1[i][c] + d.y * s.u2[i][c])) * d.z;
      step = fminf(fmaxf(step, -n.threshold), n.threshold);
      const float du1 = step * d.x + n.theta * div1, du2 = step * d.y + n.theta * div2;
      s.u1[i][c] += du1, s.u2[i][c] += du2;
      const bool counts = margin == 0 || (p.left + c >= margin && p.left + c < e.row - margin &&
                                          p.top + i >= margin && p.top + i < p.groups * RUN - margin);
      if (counts) change += du1 * du1 + du2 * du2;
    }
    if (p.lane == 0) e.low[i][p.warp] = make_float2(s.u1[i][0], s.u2[i][0]);
  }
  if (p.used && (p.group > 0 || p.rank > 0)) {
    float* to = (p.group > 0 ? e.first + p.group * e.row : peer(e.first, p.rank - 1) + p.groups * e.row) + p.left;
    EACH_COLUMN to[c] = s.u1[0][c], to[e.plane + c] = s.u2[0][c];
  }
  return change;
}

// p of the next iteration.
DEVICE void dual(State& s, const Place& p, const Exchange& e, const Steps& n) {
  const float* under = e.first + (p.group + 1) * e.row + p.left;
  EACH_ROW {
    float right1 = lane_after(s.u1[i][0]), right2 = lane_after(s.u2[i][0]);
    if (p.lane == 31 && p.warp + 1 < WARPS) { const float2 v = e.low[i][p.warp + 1]; right1 = v.x, right2 = v.y; }
    EACH_COLUMN {
      float down1, down2, next1 = right1, next2 = right2;
      if (i + 1 < RUN) down1 = s.u1[i + 1][c], down2 = s.u2[i + 1][c];
      else down1 = p.below ? under[c] : 0, down2 = p.below ? under[e.plane + c] : 0;
      if (c + 1 < COLS) next1 = s.u1[i][c + 1], next2 = s.u2[i][c + 1];
      // Of the last column and row, and outside the image, the differences are zero.
      const bool wide = (unsigned)(p.x + c) < (unsigned)(p.W - 1);
      const bool deep = (unsigned)(p.y + i) < (unsigned)(p.H - 1);
      const float ax = wide ? next1 - s.u1[i][c] : 0, ay = deep ? down1 - s.u1[i][c] : 0;
      const float bx = wide ? next2 - s.u2[i][c] : 0, by = deep ? down2 - s.u2[i][c] : 0;
      const float a = 1 / (1 + n.rate * sqrtf(ax * ax + ay * ay));
      const float b = 1 / (1 + n.rate * sqrtf(bx * bx + by * by));
      s.p11[i][c] = (s.p11[i][c] + n.rate * ax) * a, s.p12[i][c] = (s.p12[i][c] + n.rate * ay) * a;
      s.p21[i][c] = (s.p21[i][c] + n.rate * bx) * b, s.p22[i][c] = (s.p22[i][c] + n.rate * by) * b;
    }
  }
}

DEVICE float warp_sum(float v) {
  for (int mask = 16; mask; mask /= 2) v += lane_across(v, mask);
  return v;
}

DEVICE float keys(float t, int tap) {  // cubic convolution, A = -0.5; t: distance from the second pixel
  const float s = 1 - t;
  return tap == 0   ? -0.5f * t * s * s
         : tap == 1 ? (1.5f * t - 2.5f) * t * t + 1
         : tap == 2 ? (1.5f * s - 2.5f) * s * s + 1
                    : -0.5f * s * t * t;
}

// (gx, gy, -1/square, rho) of pixel (x, y) with flow (a, b); texels: I1 and its gradient.
DEVICE float4 linearised(const float4* texels, float before, int x, int y, int W, int H, float a, float b) {
  const float at_x = fminf(fmaxf(x + a, -4.f), W + 4.f), at_y = fminf(fmaxf(y + b, -4.f), H + 4.f);
  const float fx = floorf(at_x), fy = floorf(at_y);
  float image = 0, gx = 0, gy = 0;
#pragma unroll
  for (int r = 0; r < 4; r++) {
    const float wy = keys(at_y - fy, r);
    const float4* row = texels + min(max(int(fy) - 1 + r, 0), H - 1) * W;
#pragma unroll
    for (int c = 0; c < 4; c++) {
      const float4 texel = row[min(max(int(fx) - 1 + c, 0), W - 1)];
      const float weight = wy * keys(at_x - fx, c);
      image += weight * texel.x, gx += weight * texel.y, gy += weight * texel.z;
    }
  }
  const float square = fmaxf(gx * gx + gy * gy, 1.1754944e-38f);
  return make_float4(gx, gy, -1 / square, ((image - gx * a) - gy * b) - before);
}

#ifdef WHOLE
// All warps of a level. Grid: C blocks for each of `pairs`. texels: (frames, H, W); images: (frames, H,
// W); first: (pairs), the frame where each pair begins; u: (pairs, 2, H, W), refined in place; sweeps:
// (pairs), to which the number of iterations is added.
KERNEL whole(const float4* texels, const float* images, const int* first, float* u, int* sweeps, int W,
             int H, int across, int warps, int limit, double bound, float threshold, float theta,
             float rate) {
  SHARED;
  const Place p = place(across, 0, 0, W, H);
  const Exchange e = exchange(memory, p);
  const Steps n = {threshold, theta, rate};
  const int pair = blockIdx.x / C;
  images += first[pair] * (W * H), texels += (first[pair] + 1) * (W * H), u += pair * 2 * (W * H);

  State s;
  EACH_ROW EACH_COLUMN {
    const bool in = p.inside(i, c);
    s.u1[i][c] = in ? u[p.at(i, c)] : 0, s.u2[i][c] = in ? u[W * H + p.at(i, c)] : 0;
    s.p11[i][c] = s.p12[i][c] = s.p21[i][c] = s.p22[i][c] = 0;
  }
  if (p.thread < p.across) EACH_COLUMN e.last[p.left + c] = e.last[e.plane + p.left + c] = 0;
  barrier();  // all blocks are there
  publish(s, p, e);
  barrier();

  int done = 0;
  for (int w = 0; w < warps; w++) {
    EACH_ROW EACH_COLUMN e.constant[(i * COLS + c) * T + p.thread] = make_float4(s.u1[i][c], s.u2[i][c], 0, 0);
#pragma unroll 1  // or all registers are taken
    for (int k = 0; k < RUN * COLS; k++) {
      const float4 v = e.constant[k * T + p.thread];
      const int x = p.x + k % COLS, y = p.y + k / COLS;
      e.constant[k * T + p.thread] = p.inside(k / COLS, k % COLS)
          ? linearised(texels, images[y * W + x], x, y, W, H, v.x, v.y) : make_float4(0, 0, 0, 0);
    }
    double last = 0;
    bool converged = false;
    for (int k = 0; k < limit && !converged; k++, done++) {
      const bool ask = k % 2 == 1 && last < bound;
      float change = primal(s, p, e, n, 0);
      if (ask) {
        change = warp_sum(change);
        if (p.lane < C) peer(e.sums, p.lane)[p.rank][p.warp] = change;
      }
      barrier();
      dual(s, p, e, n);
      publish(s, p, e);
      if (ask) {
        float total = 0;  // in the same order in every warp of every block
        for (int j = p.lane; j < C * WARPS; j += 32) total += e.sums[j / WARPS][j % WARPS];
        last = warp_sum(total), converged = last <= bound;
      } else {
        last -= bound;
      }
      barrier();
    }
  }
  EACH_ROW EACH_COLUMN if (p.inside(i, c)) u[p.at(i, c)] = s.u1[i][c], u[W * H + p.at(i, c)] = s.u2[i][c];
  if (p.thread == 0 && p.rank == 0) sweeps[pair] += done;
}

#else
// What the iterations of a warp read. Grid: `parts` blocks for each pair. state: (2, pairs, 6, H, W),
// u and p twice; constants: (pairs, H, W); control: (2, pairs, CONTROL), of which `turn` says one.
KERNEL linearise(const float4* texels, const float* images, const int* first, const float* state,
                 float4* constants, const double* control, int turn, int pairs, int W, int H, int parts) {
  const int pair = blockIdx.x / parts, k = blockIdx.x % parts * T + threadIdx.x, plane = W * H;
  if (k >= plane) return;
  const int side = control[(turn % 2 * pairs + pair) * CONTROL + SIDE];
  const float* u = state + (side * pairs + pair) * 6 * (long long)plane;
  constants[pair * plane + k] = linearised(texels + (first[pair] + 1) * plane, images[first[pair] * plane + k],
                                           k % W, k / W, W, H, u[k], u[plane + k]);
}

// Up to HALO iterations of a tile. Grid: `tiles` blocks for each pair. state, constants and control as
// above; partial: (2, pairs, tiles), the sums of this launch and of the one before.
KERNEL tile(float* state, const float4* constants, float* partial, double* control, int turn, int pairs,
            int W, int H, int across, int tiles_x, int tiles, int limit, double bound, float threshold,
            float theta, float rate) {
  SHARED;
  const int pair = blockIdx.x / tiles, part = blockIdx.x % tiles, plane = W * H;
  const int inner_x = across * COLS - 2 * HALO, inner_y = T / across * RUN - 2 * HALO;
  const Place p = place(across, part % tiles_x * inner_x - HALO, part / tiles_x * inner_y - HALO, W, H);
  const Exchange e = exchange(memory, p);
  const Steps n = {threshold, theta, rate};
  const double* now = control + (turn % 2 * pairs + pair) * CONTROL;
  double* next = control + ((turn + 1) % 2 * pairs + pair) * CONTROL;
  int done = now[DONE_SWEEPS], side = now[SIDE];
  double last = now[LAST];
  bool converged = now[DONE] > 0;
  if (now[ASKED] > 0) {
    float total = 0;
    const float* sums = partial + (turn % 2 * pairs + pair) * tiles;
    for (int k = p.lane; k < tiles; k += 32) total += sums[k];
    last = warp_sum(total);
    if (last <= bound) converged = true;
  }
  // The launch ends with the first iteration whose sum is asked for.
  int count = 0;
  bool ask = false;
  while (!converged && !ask && count < HALO && done + count < limit) {
    ask = (done + count) % 2 == 1 && last < bound;
    if (!ask) last -= bound;
    count++;
  }
  if (part == 0 && p.thread == 0) {
    next[DONE_SWEEPS] = done + count, next[LAST] = last, next[ASKED] = ask;
    next[DONE] = count == 0, next[SIDE] = count ? 1 - side : side;
  }
  if (count == 0) return;

  const float* from = state + (side * pairs + pair) * 6 * (long long)plane;
  float* to = state + ((1 - side) * pairs + pair) * 6 * (long long)plane;
  State s;
  EACH_ROW EACH_COLUMN {
    const bool in = p.inside(i, c);
    const float* v = from + (in ? p.at(i, c) : 0);
    s.u1[i][c] = in ? v[0] : 0, s.u2[i][c] = in ? v[plane] : 0;
    s.p11[i][c] = in ? v[2 * plane] : 0, s.p12[i][c] = in ? v[3 * plane] : 0;
    s.p21[i][c] = in ? v[4 * plane] : 0, s.p22[i][c] = in ? v[5 * plane] : 0;
    e.constant[(i * COLS + c) * T + p.thread] =
        in ? constants[pair * plane + p.at(i, c)] : make_float4(0, 0, 0, 0);
  }
  if (p.thread < p.across) EACH_COLUMN e.last[p.left + c] = e.last[e.plane + p.left + c] = 0;
  publish(s, p, e);
  barrier();
  float change = 0;
  for (int k = 0; k < count; k++) {
    change = primal(s, p, e, n, HALO);
    barrier();
    dual(s, p, e, n);
    publish(s, p, e);
    barrier();
  }
  EACH_ROW EACH_COLUMN {
    const bool own = p.left + c >= HALO && p.left + c < e.row - HALO && p.top + i >= HALO &&
                     p.top + i < p.groups * RUN - HALO;
    if (own && p.inside(i, c)) {
      float* v = to + p.at(i, c);
      v[0] = s.u1[i][c], v[plane] = s.u2[i][c], v[2 * plane] = s.p11[i][c], v[3 * plane] = s.p12[i][c];
      v[4 * plane] = s.p21[i][c], v[5 * plane] = s.p22[i][c];
    }
  }
  if (!ask) return;
  change = warp_sum(change);
  if (p.lane == 0) e.sums[0][p.warp] = change;
  barrier();
  if (p.thread == 0) {
    float total = 0;
    for (int k = 0; k < WARPS; k++) total += e.sums[0][k];
    partial[((turn + 1) % 2 * pairs + pair) * tiles + part] = total;
  }
}
#endif
