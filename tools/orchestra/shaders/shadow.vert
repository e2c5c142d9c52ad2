#version 330
in vec3 position;
uniform mat4 place;
uniform mat4 shadow_projection;
void main() { gl_Position = shadow_projection * (place * vec4(position, 1.0)); }
