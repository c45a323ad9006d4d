"""The Grad-CAM++ map of one case on its source pixels: the map the page shows, without the rest of the explanation."""

from __future__ import annotations

import torch

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.explain.grids import canvas_cells, to_source
from mmxai_core.explain.mirror import mirrored_grad_cam_pp
from mmxai_core.explain.saliency import box_of, on_canvas
from mmxai_core.model.encoded import EncodedStudy, to_device
from mmxai_core.model.network import FusedNetwork
from mmxai_core.predict import Predictor
from mmxai_core.preprocess import prepare_image
from mmxai_core.results import Prediction
from mmxai_core.types import FloatMap


def grad_cam_map(
    predictor: Predictor, encoded: EncodedStudy, record: ClinicalRecord, prediction: Prediction
) -> FloatMap:
    """Raw Grad-CAM++ for the class called, as the page shows it: mean of the deciding image and its mirror image.

    Args:
        predictor: What made the prediction.
        encoded: The study as `Predictor.encode` gave it.
        record: The record of the prediction.
        prediction: The prediction.

    Returns:
        (H, W) float32 on the deciding image's pixels, at least 0, not normalised.

    Raises:
        DeadlineError: The worker did not answer in time.
    """
    index = prediction.image_index or 0
    clinical = predictor.bundle.schema.encode(record)
    target = predictor.bundle.classes.index(prediction.predicted_class)
    device = predictor.torch_device

    def job(network: FusedNetwork) -> FloatMap:
        image = to_device(encoded.image(index), device)
        pixels, _ = prepare_image(encoded.study.images[index].grey, canvas=network.arch.canvas)
        canvas = torch.from_numpy(pixels)[None, None].to(device)
        with torch.no_grad():
            tokens = network.encode_clinical(
                torch.from_numpy(clinical.values)[None].to(device), torch.from_numpy(clinical.known)[None].to(device)
            )
        maps = mirrored_grad_cam_pp(network, canvas, image, tokens, target=target).maps[0].cpu().numpy()
        return on_canvas(maps, box_of(image), canvas_cells(network.arch))

    return to_source(predictor.submit(lambda network, _: job(network)), encoded.geometries[index])
