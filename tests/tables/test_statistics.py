"""Variances, intervals and p against closed forms and SciPy, and how often answers are false."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dsnet.tables.statistics import Estimate, estimate, groups_part, holm, seeds_part

DRAWS = 2000  # of each simulation
# Of as many draws of a rule that is wrong in exactly 5 %, 99.9 % have no more.
MOST = stats.binom.ppf(0.999, DRAWS, 0.05) / DRAWS
# Standard deviations of what the latent score of a method has of its own: by seed, group, video,
# group and seed, video and seed. The threshold is at zero.
SPREADS = {
    "no seeds": (0.0, 0.3, 0.3, 0.0, 0.5),
    "small seeds": (0.1, 0.3, 0.3, 0.1, 0.5),
    "middling seeds": (0.25, 0.3, 0.3, 0.2, 0.5),
    "large seeds": (1.0, 0.3, 0.3, 0.2, 0.5),
    "only seeds": (0.5, 0.0, 0.0, 0.0, 0.0),
    "interaction": (0.05, 0.1, 0.1, 0.8, 0.8),
    "few videos differ": (0.0, 0.0, 0.15, 0.0, 0.0),
}
SINGLE, GROUPED = np.ones(200, int), np.r_[[1] * 8, [3] * 14, [6] * 15, [10] * 6]
SUBJECTS = np.array([11, 10, 9])


def names(sizes, split=0):
    return [f"{split}/{group}" for group in np.repeat(np.arange(len(sizes)), sizes)]


def difference(rng, seeds, sizes, spread, points=0.0):
    """(DRAWS, S, V): 100 where only the first of two methods is right, -100 where only the second.

    The first is right for ``points`` per cent more of the videos there could be.
    """
    own, videos, group_of = SPREADS[spread], sizes.sum(), np.repeat(np.arange(len(sizes)), sizes)

    def normal(*shape):
        return rng.standard_normal((DRAWS, *shape), np.float32)

    easy = 0.3 + 0.7 * (normal(1, videos) + normal(1, len(sizes))[..., group_of])
    deviation = math.sqrt(2 * 0.7**2 + sum(sd**2 for sd in own))
    share = stats.norm.cdf(0.3 / deviation) + points / 100
    shift = float(stats.norm.ppf(share)) * deviation - 0.3
    right = []
    for more in (shift, 0.0):
        score = easy + more + own[0] * normal(seeds, 1) + own[2] * normal(1, videos)
        score += own[1] * normal(1, len(sizes))[..., group_of]
        score += own[3] * normal(seeds, len(sizes))[..., group_of]
        right.append(score + own[4] * normal(seeds, videos) > 0)
    return 100.0 * (right[0].astype(float) - right[1])


def answered(splits):
    """Shares of the draws whose interval lies above zero and below it."""
    groups = [names(sizes, number) for number, (_, sizes) in enumerate(splits)]
    drawn = zip(*(values for values, _ in splits), strict=True)
    ends = np.array(
        [estimate(list(zip(d, groups, strict=True)), (-100, 100)).interval() for d in drawn]
    )
    return (ends[:, 0] > 0).mean(), (ends[:, 1] < 0).mean()


@pytest.mark.parametrize(
    ("sizes", "spread"),
    [
        *((SINGLE[:60], spread) for spread in ("small seeds", "few videos differ")),
        *((SINGLE, spread) for spread in SPREADS if spread != "few videos differ"),
        *((GROUPED, spread) for spread in ("no seeds", "middling seeds", "few videos differ")),
    ],
)
@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_at_most_five_per_cent_of_answers_are_false(seeds, sizes, spread):
    rng = np.random.default_rng([seeds, len(sizes), len(spread)])
    assert sum(answered([(difference(rng, seeds, sizes, spread), sizes)])) <= MOST


@pytest.mark.parametrize("spread", ["middling seeds", "large seeds"])
@pytest.mark.parametrize(
    "splits", [[SUBJECTS] * 3, [SINGLE[:100], SINGLE[:60]]], ids=["subjects", "videos"]
)
@pytest.mark.parametrize("seeds", [3, 5])
def test_nor_are_more_over_several_splits(seeds, splits, spread):
    rng = np.random.default_rng([seeds, len(splits), len(spread)])
    found = [(difference(rng, seeds, sizes, spread), sizes) for sizes in splits]
    assert sum(answered(found)) <= MOST


@pytest.mark.parametrize(
    ("seeds", "sizes", "spread", "least"),
    [
        (3, SINGLE, "no seeds", 0.60),
        (3, SINGLE, "small seeds", 0.30),
        (5, SINGLE, "small seeds", 0.70),
        (5, SINGLE, "interaction", 0.85),
        (5, GROUPED, "small seeds", 0.40),
        (10, SINGLE, "small seeds", 0.93),
    ],
)
def test_ten_points_are_found_this_often(seeds, sizes, spread, least):
    rng = np.random.default_rng([seeds, len(sizes), len(spread)])
    above, below = answered([(difference(rng, seeds, sizes, spread, points=10), sizes)])
    assert above >= least
    assert below <= 0.002


@pytest.mark.parametrize("videos", [60, 100, 200])
def test_a_difference_of_all_that_is_allowed_is_rarely_called_smaller(videos):
    """The worst case: all seeds agree, and few videos differ, all of them in favour of one."""
    rng = np.random.default_rng(videos)
    within, groups, called = 5, names(SINGLE[:videos]), 0
    for rare in 100.0 * (rng.random((DRAWS, 1, videos)) < within / 100):
        found = estimate([(np.repeat(rare, 3, axis=0), groups)], (-100, 100))
        called += abs(found.mean) < within and found.p(within - abs(found.mean)) < 0.05
    assert called / DRAWS <= MOST


def test_the_parts_are_the_mean_squares_of_a_two_way_analysis_of_variance():
    rng = np.random.default_rng(0)
    seeds, groups, size = 4, 7, 3
    table = rng.normal(size=(seeds, groups)) + rng.normal(size=(seeds, 1))
    values = np.repeat(table, size, axis=1) + rng.normal(size=(seeds, groups * size))
    of_seeds = groups * size * sum((row.mean() - values.mean()) ** 2 for row in values)
    of_groups = seeds * size * sum((g.mean() - values.mean()) ** 2 for g in np.split(values.T, 7))
    split = [(values, names([size] * groups))]
    cells = seeds * groups * size
    assert seeds_part(split) == pytest.approx((of_seeds / (seeds - 1) / cells, seeds - 1))
    assert groups_part(split) == pytest.approx((of_groups / (groups - 1) / cells, groups - 1))


def test_what_varies_by_seeds_or_by_videos_alone_is_tested_as_by_student():
    of_seeds = np.array([1.0, 4.0, 2.0, 7.0])
    of_videos = np.array([3.0, -1.0, 2.0, 8.0, 5.0, 2.0])
    for values, sample in (
        (np.repeat(of_seeds[:, None], 6, axis=1), of_seeds),
        (np.repeat(of_videos[None], 4, axis=0), of_videos),
    ):
        split = [(values, names([1] * 6))]
        found = Estimate(values.mean(), (seeds_part(split), groups_part(split)))
        expected = stats.ttest_1samp(sample, 0)
        assert found.p(found.mean) == pytest.approx(expected.pvalue)
        assert found.interval() == pytest.approx(tuple(expected.confidence_interval()))
        # Within 6 points: two one-sided tests, doubled since more than 6 is an answer too.
        sides = [
            stats.ttest_1samp(sample, bound, alternative=side).pvalue
            for bound, side in ((-6, "greater"), (6, "less"))
        ]
        assert found.p(6 - abs(found.mean)) == pytest.approx(2 * max(sides))


@pytest.mark.parametrize(
    "groups",
    [["aabbbcdddd"], ["aaaaaaab"], ["aab", "ccdd"], ["abbc", "ccda", "bdd"]],
    ids=["sizes", "one large", "splits", "groups in several splits"],
)
def test_the_part_of_the_groups_is_unbiased_for_independent_videos(groups):
    """Whatever the sizes. Its expectation is the sum of its values for each video alone."""
    videos = sum(map(len, groups))
    ends = np.cumsum([len(g) for g in groups])[:-1]
    total = 0.0
    for video in np.eye(videos):
        values = np.split(np.repeat(video[None], 2, axis=0), ends, axis=1)
        (variance, _) = groups_part(list(zip(values, map(list, groups), strict=True)))
        total += variance
    assert total == pytest.approx(1 / videos)


def test_groups_of_different_sizes_have_fewer_degrees_of_freedom():
    values = np.random.default_rng(0).normal(size=(2, 24))
    (_, even), (_, uneven) = (
        groups_part([(values, names(s))]) for s in ([4] * 6, [9, 9, 2, 2, 1, 1])
    )
    assert even == pytest.approx(5)
    assert uneven == pytest.approx(172**2 / (2 * 9**4 + 2 * 2**4 + 2) - 1)


def test_splits_of_one_spread_have_the_seeds_of_all():
    values = np.arange(3.0)[:, None] + np.zeros((3, 5))
    variance, df = seeds_part([(values, names([1] * 5))] * 4)
    assert (variance, df) == pytest.approx((1 / 3 / 4, 8))
    assert seeds_part([(values, ""), (0 * values, "")]) == pytest.approx((1 / 3 / 4, 2))
    assert seeds_part([(0 * values, "")]) == (0, 2)


def test_few_discordant_videos_have_at_least_the_interval_of_bonett_and_price():
    values = np.repeat([[100.0, -100.0, 0.0]], 3, axis=0).repeat([10, 4, 36], axis=1)
    (_, (variance, _)) = estimate([(values, names([1] * 50))], (-100, 100)).parts
    first, second = 11 / 52, 5 / 52
    published = 1e4 * (first + second - (first - second) ** 2) / 52
    assert published < variance < 1.1 * published
    low, high = estimate([(0 * values, names([1] * 50))], (-100, 100)).interval()
    assert low == pytest.approx(-high)
    assert high == pytest.approx(stats.t.ppf(0.975, 49) * 100 * math.sqrt(2) / 52)


def test_an_interval_ends_where_values_do():
    assert estimate([(np.full((2, 20), 100.0), names([1] * 20))], (0, 100)).interval()[1] == 100


@pytest.mark.parametrize(
    "splits",
    [[(np.zeros((1, 4)), "abcd")], [(np.zeros((2, 4)), "aaaa")], [(np.zeros((2, 2)), "ab")] * 2],
    ids=["one seed", "one group", "no more groups than splits"],
)
def test_nothing_is_said_of_what_there_is_one_of(splits):
    found = estimate([(values, list(groups)) for values, groups in splits], (-100, 100))
    assert found.mean == 0
    assert np.isnan([*found.interval(), found.p(0), found.p(5)]).all()


@given(
    st.floats(-50, 50),
    st.lists(st.tuples(st.floats(0.01, 100), st.floats(1, 50)), min_size=1, max_size=3),
)
def test_p_is_under_five_per_cent_where_the_interval_is_beside_zero(mean, parts):
    found = Estimate(mean, tuple(parts))
    low, high = found.interval()
    p = found.p(mean)
    assert 0 < p <= 1
    if abs(p - 0.05) > 1e-6:
        assert (p < 0.05) == (low > 0 or high < 0)


def test_holm_by_hand():
    # In order: 4 x 0.005, 3 x 0.01, 2 x 0.03, and 0.04, which may not be under the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, math.nan, 0.6]) == pytest.approx([1, math.nan, 1], nan_ok=True)
    assert holm([]) == []
