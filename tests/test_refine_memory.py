"""The memory: retrieval, threshold triplet loss, update and replacement, smoothing."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tfhkit.errors import ParameterError, ShapeError
from tfhkit.refine import Memory, MemoryConfig, smooth_features
from tfhkit.refine.memory import knot_indices

E = torch.eye(4)
KEPT = ("fc", "pool5_mean", "pool5_std")


def memory(slots=4, **changes):
    torch.manual_seed(0)
    return Memory(
        MemoryConfig(
            **{"slots": slots, "key_dim": 4, "value_dim": 4, "top_k": min(slots, 4), **changes}
        )
    )


def test_new_identities_take_slots_and_are_found_again():
    m = memory()
    slots = m.update(E[:3], E[:3], torch.tensor([10, 11, 12]))
    assert slots.tolist() == [0, 1, 2] and m.used.tolist() == [True] * 3 + [False]
    values, found, similarity = m.retrieve(F.normalize(E[:3] + 0.1, dim=-1))
    assert torch.equal(values, E[:3]) and found.tolist() == [0, 1, 2]
    assert (similarity > 0.9).all() and m.writer[:3].tolist() == [10, 11, 12]


def test_an_alike_identity_is_folded_into_its_slot():
    m = memory()
    m.update(E[:1], E[:1], [5])
    near = F.normalize(E[:1] + 0.5 * E[1:2], dim=-1)
    assert m.update(near, E[:1], [6]).tolist() == [0]
    assert torch.allclose(m.keys[0], F.normalize(E[0] + near[0], dim=0))
    assert int(m.used.sum()) == 1 and m.writes[0] == 2 and m.writer[0] == 6 and m.age[0] == 0
    assert m.writers[0].tolist() == [6, 5, -1, -1, -1, -1, -1, -1]


def test_a_near_key_with_another_identity_gets_its_own_slot():
    m = memory()
    m.update(E[:1], E[:1])
    m.update(E[:1], E[1:2])  # same look, other person
    assert int(m.used.sum()) == 2 and torch.equal(m.values[1], E[1])


def test_the_oldest_slot_is_replaced():
    m = memory(slots=2)
    m.update(E[:2], E[:2])
    for _ in range(20):  # slot 1 stays young
        m.update(E[1:2], E[1:2])
    assert m.update(E[2:3], E[2:3], generator=torch.Generator().manual_seed(0)).tolist() == [0]
    assert torch.equal(m.values[0], E[2]) and torch.equal(m.values[1], E[1]) and m.writes[0] == 1


def test_a_slot_remembers_its_last_eight_frames_until_it_is_replaced():
    m = memory(slots=1)
    for number in [*range(10), 4, 9]:  # a frame that comes again moves to the front
        m.update(E[:1], E[:1], [number])
    assert m.writers[0].tolist() == [9, 4, 8, 7, 6, 5, 3, 2] and m.writes[0] == 12
    m.update(E[:1], E[1:2], [30])
    assert m.writers[0].tolist() == [30] + [-1] * 7 and m.writes[0] == 1


def test_clearing_empties_the_tables_and_keeps_the_layer():
    m = memory()
    m.fit_input(torch.randn(5, 512))
    kept = {k: v.clone() for k, v in m.state_dict().items() if k.split(".")[0] in KEPT}
    m.update(E[:2], E[:2], [3, 4])
    m.clear()
    fresh = memory().state_dict()
    for name, value in m.state_dict().items():
        assert torch.equal(value, kept[name] if name in kept else fresh[name]), name
    assert len(kept) == 4 and not m.used.any()


def test_a_batch_equals_its_samples_one_by_one():
    torch.manual_seed(3)
    query = F.normalize(torch.randn(12, 4), dim=-1)
    value = E[torch.arange(12) % 3]
    query[5], value[5] = query[4], value[4]  # two samples of a batch meet in one slot
    filling = F.normalize(torch.randn(20, 4), dim=-1)
    one, other = memory(slots=20), memory(slots=20)
    for m in (one, other):  # no slot is empty, the batch must replace
        assert len(set(m.update(filling, filling).tolist())) == 20
    written = one.update(query, value, range(12), torch.Generator().manual_seed(1))
    noise = torch.Generator().manual_seed(1)
    for i in range(12):
        other.update(query[i : i + 1], value[i : i + 1], [i], noise)
    assert written[4] == written[5] and one.writers[written[4], :2].tolist() == [5, 4]
    assert one.used.all() and one.writer[written].min() >= 0
    for name, table in one.named_buffers():
        assert torch.equal(table, dict(other.named_buffers())[name]), name


@pytest.mark.parametrize("seed", range(5))
def test_a_batch_does_not_replace_what_it_wrote(seed):
    m, noise = memory(slots=4), torch.Generator().manual_seed(seed)
    for _ in range(5):  # with 4 slots, ages differ by less than their noise
        query = F.normalize(torch.randn(4, 4, generator=noise), dim=-1)
        assert sorted(m.update(query, torch.eye(4), generator=noise).tolist()) == [0, 1, 2, 3]
        m.values.copy_(-m.values)  # unlike all that follows
    assert m.age.tolist() == [3 - i for i in m.age.argsort(descending=True).argsort().tolist()]


def test_a_batch_of_more_samples_than_slots_replaces_the_oldest():
    m = memory(slots=2)
    slots = m.update(E[[0, 1, 2, 3]], E[[0, 1, 2, 3]], [0, 1, 2, 3])
    assert slots.tolist() == [0, 1, 0, 1] and m.writer.tolist() == [2, 3]


def test_noise_breaks_ties_among_old_slots_alone():
    taken = set()
    for seed in range(40):
        m = memory(slots=4)
        m.update(E, E)
        m.age.copy_(torch.tensor([50, 50, 50, 41]))
        other = F.normalize(torch.ones(1, 4), dim=-1)
        taken |= set(m.update(E[:1], other, generator=torch.Generator().manual_seed(seed)).tolist())
    assert taken == {0, 1, 2}  # 41 + 4 stays below 50 - 4


def test_more_neighbours_asked_for_than_slots_used():
    m = memory(top_k=4)
    m.update(E[:1], E[:1])
    assert m.triplet_loss(E[:1], E[:1]).item() == 0  # only a right one: does not count
    m.update(E[1:2], E[1:2])
    full = memory(slots=2, top_k=2)
    full.update(E[:2], E[:2])
    query, value = F.normalize(E[:2] + E[[1, 2]], dim=-1), E[:2]
    assert m.triplet_loss(query, value).item() == full.triplet_loss(query, value).item() > 0
    slots = m.retrieve(-E)[1]  # every cosine is 0 or less, empty slots stay out
    assert slots.max() < 2


def test_triplet_loss_by_hand():
    m = memory(margin=0.3)
    m.update(E[:2], E[:2])
    query = F.normalize(torch.tensor([[0.6, 0.8, 0.0, 0.0]]), dim=-1)
    loss = m.triplet_loss(query, E[:1])  # right key at 0.6, wrong key at 0.8
    assert loss.item() == pytest.approx(0.8 - 0.6 + 0.3, abs=1e-6)
    assert m.triplet_loss(E[:1], E[:1]).item() == 0  # right at 1, wrong at 0
    assert m.triplet_loss(query, E[3:]).item() == 0  # no slot alike: does not count


def test_training_the_query_parts_identities():
    torch.manual_seed(0)
    m = Memory(MemoryConfig(slots=2, key_dim=16, value_dim=4, top_k=2))
    pool5, value = torch.randn(1, 512) + 0.3 * torch.randn(12, 512), E[torch.arange(12) % 2]
    m.fit_input(pool5)
    m.update(m.query(pool5[:2]), value[:2])
    optimiser = torch.optim.Adam(m.fc.parameters(), 1e-3)
    first = m.triplet_loss(m.query(pool5), value).item()
    for _ in range(20):
        loss = m.triplet_loss(m.query(pool5), value)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert m.triplet_loss(m.query(pool5), value).item() < 0.2 * first
    assert torch.equal(m.retrieve(m.query(pool5))[0], value)


def test_tables_are_buffers():
    assert {"keys", "values", "age", "writers", "writes"} <= set(memory().state_dict())


def test_bad_input():
    with pytest.raises(ParameterError, match="5 nearest of 4 slots"):
        MemoryConfig(slots=4, top_k=5)
    with pytest.raises(ParameterError, match="no slot was ever written"):
        memory().retrieve(E)
    with pytest.raises(ShapeError, match="value: expected shape"):
        memory().update(E, E[:, :3])
    with pytest.raises(ShapeError, match="frame: expected shape"):
        memory().update(E, E, [1, 2])
    m = memory()
    m.update(E, E)
    for call in (m.query, m.fit_input):
        with pytest.raises(ShapeError, match="pool5: expected shape"):
            call(E)
    for call in (m.retrieve, lambda query: m.triplet_loss(query, E)):
        with pytest.raises(ShapeError, match="query: expected shape"):
            call(E[:, :3])
    for changes, words in (
        ({"slots": 0, "top_k": 0}, "0 nearest of 0 slots"),
        ({"margin": -0.1}, "margin: -0.1 is below 0"),
        ({"margin": float("nan")}, "margin: nan"),
        ({"match": 1.0}, "match: 1.0 is not a cosine"),
    ):
        with pytest.raises(ParameterError, match=words):
            MemoryConfig(**changes)


def test_smoothing_keeps_knots_and_unit_length():
    times = torch.arange(60) / 25
    features = F.normalize(torch.randn(60, 4, generator=torch.Generator().manual_seed(0)), dim=-1)
    smooth = smooth_features(features, times, 1.0)
    knots = knot_indices(times, 1.0)
    assert knots == [0, 25, 59]  # 50 stands too near to the end
    assert torch.allclose(smooth[knots], features[knots], atol=1e-5)
    assert torch.allclose(smooth.norm(dim=-1), torch.ones(60), atol=1e-5)
    jumps = (smooth[1:] - smooth[:-1]).norm(dim=-1)
    assert jumps.max() < 0.3 < (features[1:] - features[:-1]).norm(dim=-1).max()


def test_smoothing_of_a_constant_and_of_nothing():
    features = E[:1].expand(30, 4)
    times = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.2, 30))
    assert torch.allclose(smooth_features(features, times, 0.5), features, atol=1e-6)
    other = F.normalize(torch.randn(30, 4), dim=-1)
    assert torch.equal(smooth_features(other, times, 0), other)
