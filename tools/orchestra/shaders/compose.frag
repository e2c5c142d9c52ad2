#version 330
// Dims ambient light where nearby surfaces stand in its way (screen-space ambient occlusion after
// Bavoil and Sainz, "Image-Space Horizon-Based Ambient Occlusion", 2008, with few taps), adds the
// direct light, and encodes as sRGB.
uniform sampler2D direct_light;
uniform sampler2D ambient_light;
uniform sampler2D depth;
uniform mat4 inverse_projection;  // clip -> camera space
uniform float pixel_size;         // height of one sample at distance 1
uniform float reach;              // metres
uniform float exposure;
uniform int supersample;

out vec4 shown;

const int TAPS = 6;

vec3 seen_at(ivec2 at) {
    ivec2 size = textureSize(depth, 0);
    at = clamp(at, ivec2(0), size - 1);
    vec3 clip = vec3((vec2(at) + 0.5) / vec2(size), texelFetch(depth, at, 0).x) * 2.0 - 1.0;
    vec4 p = inverse_projection * vec4(clip, 1.0);
    return p.xyz / p.w;
}

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy);
    vec3 p = seen_at(at);
    vec3 right = seen_at(at + ivec2(1, 0)) - p, left = p - seen_at(at - ivec2(1, 0));
    vec3 up = seen_at(at + ivec2(0, 1)) - p, down = p - seen_at(at - ivec2(0, 1));
    vec3 n = normalize(cross(abs(right.z) < abs(left.z) ? right : left,
                             abs(up.z) < abs(down.z) ? up : down));
    ivec2 sub = at % supersample;
    float start = 2.0 * 3.14159265 * float(sub.x + supersample * sub.y)
                  / float(supersample * supersample);
    float span = reach / (pixel_size * -p.z);
    float hidden = 0.0;
    for (int i = 0; i < TAPS; i++) {
        float radius = span * (float(i) + 0.6) / float(TAPS);
        float angle = start + 2.39996323 * float(i);
        vec3 to = seen_at(at + ivec2(radius * vec2(cos(angle), sin(angle)))) - p;
        float distance = length(to) + 1e-5;
        float above = max(dot(n, to) / distance - 0.12, 0.0);
        hidden += above * max(1.0 - distance / (1.6 * reach), 0.0);
    }
    float open = clamp(1.0 - 2.2 * hidden / float(TAPS), 0.0, 1.0);
    vec3 light = texelFetch(direct_light, at, 0).rgb * mix(1.0, open, 0.35)
                 + texelFetch(ambient_light, at, 0).rgb * open;
    light *= exposure;
    // Highlights roll off instead of clipping (Reinhard, white at 2.5).
    light = light * (1.0 + light / 6.25) / (1.0 + 0.45 * light);
    shown = vec4(pow(clamp(light, 0.0, 1.0), vec3(1.0 / 2.2)), 1.0);
}
