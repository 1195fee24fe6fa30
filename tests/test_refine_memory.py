"""The memory: retrieval, threshold triplet loss, update and replacement, smoothing."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tfhkit.errors import ParameterError, ShapeError
from tfhkit.refine import Memory, MemoryConfig, smooth_features
from tfhkit.refine.memory import knot_indices

E = torch.eye(4)


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


def test_a_batch_equals_its_samples_one_by_one():
    torch.manual_seed(3)
    query = F.normalize(torch.randn(12, 4), dim=-1)
    value = E[torch.arange(12) % 3]
    query[5] = query[4]  # two samples of a batch meet in one slot
    one, other = memory(slots=3), memory(slots=3)
    one.update(query, value, range(12), torch.Generator().manual_seed(1))
    noise = torch.Generator().manual_seed(1)
    for i in range(12):
        other.update(query[i : i + 1], value[i : i + 1], [i], noise)
    for name, table in one.named_buffers():
        assert torch.equal(table, dict(other.named_buffers())[name]), name


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
    assert {"keys", "values", "age", "writer", "writes"} <= set(memory().state_dict())


def test_bad_input():
    with pytest.raises(ParameterError, match="5 nearest of 4 slots"):
        MemoryConfig(slots=4, top_k=5)
    with pytest.raises(ParameterError, match="no slot was ever written"):
        memory().retrieve(E)
    with pytest.raises(ShapeError, match="value: expected shape"):
        memory().update(E, E[:, :3])


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
