"""dsnet: distilling optical flow into an RGB network for video action recognition."""
