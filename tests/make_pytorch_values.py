"""Compute with PyTorch what the lessons must compute too, and store it in pytorch_values.npz.

    pip install torch==2.13.0 && python tests/make_pytorch_values.py

Only this script needs PyTorch. It takes the parameters in the lessons' names and layout, hands them
to nn.RNN, nn.LSTM and nn.GRU in float64, and stores loss, states and all gradients beside them.
"""
from pathlib import Path

import numpy as np
import torch

V, D, H, B, T = 9, 6, 5, 3, 7
GATES = {"rnn": 1, "lstm": 4, "gru": 3}


def blocks(array, order):
    """The rows of the gates of array, put in another order."""
    return torch.cat([array[i * H:(i + 1) * H] for i in order])


def language_model(cell, embedded, rng):
    """One recurrent language model, forward and backward -> dict of arrays in the lessons' layout."""
    G = GATES[cell] * H
    params = {"Wx": (G, D if embedded else V), "Wh": (G, H), "b": (G, 1), "Wy": (V, H), "by": (V, 1)}
    if embedded:
        params["E"] = (V, D)
    if cell == "gru":
        params["bn"] = (H, 1)
    params = {k: torch.tensor(rng.normal(0, 0.7, s), requires_grad=True) for k, s in params.items()}
    state = [torch.tensor(rng.normal(size=(H, B)), requires_grad=True)
             for _ in range(2 if cell == "lstm" else 1)]
    ids = rng.integers(0, V, (T + 1, B))
    # The lessons keep the LSTM's gates as i, f, o, g, PyTorch as i, f, g, o.
    order = {"rnn": [0], "lstm": [0, 1, 3, 2], "gru": [0, 1, 2]}[cell]
    module = getattr(torch.nn, cell.upper())(D if embedded else V, H, dtype=torch.float64)
    b_hh = torch.zeros(G, dtype=torch.float64)
    if cell == "gru":
        b_hh = torch.cat([b_hh[:2 * H], params["bn"][:, 0]])
    weights = {"weight_ih_l0": blocks(params["Wx"], order), "weight_hh_l0": blocks(params["Wh"], order),
               "bias_ih_l0": blocks(params["b"], order)[:, 0], "bias_hh_l0": b_hh}
    x = params["E"][ids[:-1]] if embedded else torch.eye(V, dtype=torch.float64)[ids[:-1]]
    first = tuple(s.T[None] for s in state)
    first = first if cell == "lstm" else first[0]
    outputs, last = torch.func.functional_call(module, weights, (x, first))
    logits = outputs @ params["Wy"].T + params["by"][:, 0]
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, V), torch.tensor(ids[1:]).reshape(-1))
    loss.backward()
    last = last if cell == "lstm" else (last,)
    out = {"ids": ids, "loss": loss.detach().numpy()}
    out |= {f"params/{k}": p.detach().numpy() for k, p in params.items()}
    out |= {f"grads/{k}": p.grad.numpy() for k, p in params.items()}
    out |= {f"state/{i}": s.detach().numpy() for i, s in enumerate(state)}
    out |= {f"dstate/{i}": s.grad.numpy() for i, s in enumerate(state)}
    out |= {f"last/{i}": s[0].T.detach().numpy() for i, s in enumerate(last)}
    return out


def main():
    values = {}
    for embedded, level in ((False, "char"), (True, "word")):
        for cell in GATES:
            rng = np.random.default_rng(len(values))
            for name, array in language_model(cell, embedded, rng).items():
                values[f"{level}_{cell}/{name}"] = array
    np.savez_compressed(Path(__file__).with_name("pytorch_values.npz"), **values)


if __name__ == "__main__":
    main()
