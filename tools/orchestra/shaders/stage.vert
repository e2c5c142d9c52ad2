#version 330
// Places one vertex: the stage (performer, instrument) may be turned, the room is not.
in vec3 position;
in vec3 normal;
in vec3 color;
in vec2 material;  // gloss, metal

uniform mat4 place;       // turn of the stage
uniform mat4 projection;  // world -> clip
uniform mat4 shadow_projection;

out vec3 world;
out vec3 world_normal;
out vec3 albedo;
out vec2 surface;
out vec3 shadow_place;

void main() {
    vec4 placed = place * vec4(position, 1.0);
    world = placed.xyz;
    world_normal = mat3(place) * normal;
    albedo = color;
    surface = material;
    vec4 lit = shadow_projection * placed;
    shadow_place = lit.xyz * 0.5 + 0.5;
    gl_Position = projection * placed;
}
