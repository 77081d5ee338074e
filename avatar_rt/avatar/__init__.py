"""The avatar: one person's rig with the Gaussians that ride on it, and the file that holds both."""

from avatar_rt.avatar.frames import triangle_frames
from avatar_rt.avatar.model import Avatar, Gaussians, Landmarks, TriangleFrame

__all__ = ["Avatar", "Gaussians", "Landmarks", "TriangleFrame", "triangle_frames"]
