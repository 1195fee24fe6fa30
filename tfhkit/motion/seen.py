"""What a fit to landmarks sees of an expression: brings synthetic truth and fits to one footing."""

import torch

from tfhkit.camera import Camera, project, to_world
from tfhkit.fit.bundle import BundleSettings, landmark_weights


def seen_expression(model, settings=None):
    """The linear map from a true expression to the one that 68 frontal landmarks give away.

    A fit cannot see the gaze, tells the cheeks by the lips, and spreads a motion over all
    coefficients that could explain it; rigid motion goes into the pose. The coefficients of a
    virtual speaker are exact. A network that learned from those would speak another language
    than the fits that it is fine-tuned on.

    Args:
        model: MorphableModel.
        settings: BundleSettings of the fit.
    Returns:
        (64, 64) float32 array; expressions are rows: seen = exp @ matrix.
    """
    settings = settings or BundleSettings()
    points = model.mean_shape[model.landmark_ids].double().cpu()
    basis = model.exp_basis[:, model.landmark_ids].double().cpu()

    def shown(unknowns):
        exp, angles, trans = unknowns[:64], unknowns[64:67], unknowns[67:]
        verts = points + torch.einsum("k,kvc->vc", exp, basis)
        return project(to_world(verts[None], angles[None], trans[None]), Camera())[0].flatten()

    jacobian = torch.autograd.functional.jacobian(shown, torch.zeros(70, dtype=torch.float64))
    weight = landmark_weights().repeat_interleave(2) / settings.sigma_px**2
    prior = torch.tensor([settings.exp_weight**2] * 64 + [1e-9] * 6, dtype=torch.float64)
    weighted = jacobian.T * weight
    system = weighted @ jacobian + torch.diag(prior)
    answer = torch.linalg.solve(system, weighted @ jacobian[:, :64])
    return answer[:64].T.float().numpy()
